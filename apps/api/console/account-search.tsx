import { useState } from "preact/hooks";
import { goTo } from "./router.ts";
import { hrefOf } from "./routes.ts";

/** Leads to an account by its id; the key `/` comes here. */
export function AccountSearch() {
  const [text, setText] = useState("");
  return (
    <form
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== "") goTo(hrefOf("account", text.trim()));
        setText("");
      }}
    >
      <input
        type="search"
        class="account-search"
        aria-label="Account id"
        placeholder="Account  /"
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
    </form>
  );
}
