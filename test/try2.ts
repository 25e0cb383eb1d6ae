import { Chance, generatedMarket, generatedAccount, plainHealth, settleNear, payFunding } from "#test/support/generated-books.ts";
import { worstCorner } from "#test/support/band-corners.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { TriggerIndex } from "#libs/engine/trigger-index.ts";
import { Judge } from "#libs/engine/judge.ts";
import { Rational } from "#libs/decimal/index.ts";
const scale=Number(process.argv[2]??1);
let n=0,bad=0,act=0,free=0,notact=0,zero=0; const tight:number[]=[]; const hist:Record<string,number>={}; const reasons: any[]=[];
for (let seed=1; seed<=Number(process.argv[3]??40); seed++) {
  const ch=new Chance(seed); const book=generatedMarket(ch); const comp=new CompiledRules(book); const idx=new TriggerIndex(book,comp,{bandScale:scale}); const judge=new Judge(book,comp);
  for (let a=0;a<12;a++){ const pools=generatedAccount(ch,book); if(ch.is(0.3)) payFunding(ch,book);
    for(const p of pools){ if(ch.is(0.8)) settleNear(book,p,ch.pick([1.06,1.07,1.09,1.12,1.2,1.3,1.6,2,3,6]));
      const v=judge.judge(p); book.setWarned(p,v.standing); const stage=v.stage, standing=v.standing;
      const r=idx.arm(p); if(r==="act"){ act++; if(stage===0) notact++; continue; }
      if(stage!==0) {console.log("armed but due",seed,p); continue;}
      const bands=idx.bands(p); if(bands.length===0){free++; continue;}
      n++;
      const w=book.rules.warnings; const L=standing<w.length? w[standing]!: book.rules.liquidation.partialAt;
      const h=plainHealth(book,p); const s0=h.maintenanceEquity.minus(L.times(h.mm));
      const lo=worstCorner(book,p,bands,L,1);
      if(lo.slack.sign<=0 && s0.sign>0){bad++; if(bad<4&&scale===1) console.log("LOW",seed,p,lo.slack.toNumber()/s0.toNumber());}
      if(bands.some(b=>b.low>b.high)) zero++;
      const t=lo.slack.dividedBy(s0).toNumber(); tight.push(t);
      const key= t<0?"<0":t<0.001?"<.001":t<0.005?"<.005":t<0.02?"<.02":t<0.1?"<.1":t<0.5?"<.5":"<1"; hist[key]=(hist[key]??0)+1;
      if(t>0.02&&t<0.9&&reasons.length<12) reasons.push([seed,p,t, book.poolRow(p)>=0?"iso":"cross"]);
      if(standing>0){ const U=w[standing-1]!.times(Rational.one.plus(book.rules.warningRearm)); const hi=worstCorner(book,p,bands,U,-1); if(hi.slack.sign<=0){bad++; console.log("HIGH",seed,p,hi.slack.toNumber()/s0.toNumber());} const s1=U.times(h.mm).minus(h.maintenanceEquity); const t1=hi.slack.dividedBy(s1).toNumber(); const k2="U"+(t1<0?"<0":t1<0.005?"<.005":t1<0.02?"<.02":t1<0.1?"<.1":"more"); hist[k2]=(hist[k2]??0)+1; }
    }}
}
console.log({n,bad,act,notact,free,zero,hist}); console.log(reasons.join(" | "));
