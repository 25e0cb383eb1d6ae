import { Rational } from "#libs/decimal/index.ts";
import { rulesOf, r } from "#test/support/pools.ts";
import { Book } from "#libs/engine/book.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { TriggerIndex } from "#libs/engine/trigger-index.ts";
import { Judge } from "#libs/engine/judge.ts";
import { Screen } from "#libs/engine/screen.ts";
import { Integers } from "#libs/engine/integers.ts";
import { plainHealth, Chance } from "#test/support/generated-books.ts";
const I=50; const NP=Number(process.argv[2]??5); const N=Number(process.argv[3]??200000);
const assets=[{id:"USDT",quantum:"0.000001"},{id:"BTC",quantum:"0.00000001",slices:[{weight:"0.95"}],haircut:{base:"0.05"}},...Array.from({length:I},(_, i)=>({id:"A"+i,quantum:"0.00000001"}))];
const instruments=Array.from({length:I},(_,i)=>({id:"P"+i,base:"A"+i,index:"A"+i,lot:"0.001",tiers:[{from:"0",im:"0.02",mm:"0.01"},{from:"100000",im:"0.04",mm:"0.02"},{from:"1000000",im:"0.1",mm:"0.05"}]}));
const book=new Book(rulesOf(assets,instruments)); const ch=new Chance(7); const m=book.market;
m.setIndexPrice(0,r("1")); m.setIndexPrice(1,r("50000")); for(let i=0;i<I;i++){ m.setIndexPrice(2+i,r("100")); m.setMarkPrice(i,r("100.25")); }
let t=process.hrtime.bigint();
for(let a=0;a<N;a++){ const acc=book.internAccount("u"+a); let tot=0; for(let j=0;j<NP;j++){ const i=(a*7+j*11)%I; const lots=BigInt(ch.whole(1000,2_000_000))*(ch.is(.5)?1n:-1n); book.setHolding(book.row(acc,i),lots,lots*100_000n); tot+=Math.abs(Number(lots))/10; }
  book.addCash(acc,0,BigInt(Math.round(tot*ch.scale(0.04,0.6)*1e6))); if(NP===3) book.addCash(acc,1,BigInt(Math.round(tot*0.05/50000*1e8))); }
const ns=(x:bigint)=>Number(process.hrtime.bigint()-x);
console.log("build us/account",ns(t)/N/1e3);
const comp=new CompiledRules(book); const scr=new Screen(book,comp); const ints=new Integers(book,comp); const judge=new Judge(book,comp); const idx=new TriggerIndex(book,comp);
const first=book.findAccount("u0");
for(let rep=0;rep<30;rep++){ t=process.hrtime.bigint(); let s=0; for(let a=0;a<N;a++){ scr.evaluate((first+a)*2); s+=scr.side(1.05);} console.log("screen ns",ns(t)/N,s); }
for(let rep=0;rep<2;rep++){ t=process.hrtime.bigint(); let s=0; for(let k=0;k<20;k++)for(let a=0;a<2000;a++){ scr.evaluate((first+a)*2); s+=scr.side(1.05);} console.log("screen ns cached",ns(t)/40000,s); }
