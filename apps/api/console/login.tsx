import { useState } from "preact/hooks";
import { Field } from "./parts/basics.tsx";
import { LoadLineMark } from "./parts/mark.tsx";
import { logIn, refused } from "./session.ts";

/** A token is pasted, and kept for this tab alone. */
export function Login() {
  const [text, setText] = useState("");
  return (
    <div class="login">
      <form
        aria-label="Log in"
        onSubmit={(event) => {
          event.preventDefault();
          logIn(text);
        }}
      >
        <span class="brand">
          <LoadLineMark size={32} />
          Plimsoll
        </span>
        <h1>Log in to the console</h1>
        <Field
          label="Access token"
          hint="Kept in this tab only and gone when it is closed. The links that the start prints bring theirs along."
          problem={refused.value}
        >
          {(ids) => (
            <textarea
              {...ids}
              class="mono"
              required
              autocomplete="off"
              spellcheck={false}
              value={text}
              onInput={({ currentTarget }) => setText(currentTarget.value)}
            />
          )}
        </Field>
        <button class="primary" type="submit">
          Log in
        </button>
      </form>
    </div>
  );
}
