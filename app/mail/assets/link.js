"use strict";
const form = document.querySelector("form");
const button = document.querySelector("button");
const said = document.querySelector("#said");
const token = new URLSearchParams(location.hash.slice(1)).get("token");

function say(text, isWrong) {
  said.textContent = text;
  said.className = isWrong ? "wrong" : "";
}

async function send(event) {
  event.preventDefault();
  button.disabled = true;
  say("", false);
  try {
    const answer = await fetch(form.dataset.action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) }),
    });
    if (answer.ok) {
      form.hidden = true;
      say(form.dataset.done, false);
      return;
    }
    const problem = await answer.json();
    say(Object.values(problem.errors ?? {}).flat().join(" ") || problem.detail, true);
  } catch {
    say("The service does not respond. Try again.", true);
  }
  button.disabled = false;
}

// Another link in the same window changes only the fragment.
addEventListener("hashchange", () => location.reload());
// Not in the history, where others could find it.
history.replaceState(null, "", location.pathname);
if (token) {
  form.hidden = false;
  form.addEventListener("submit", send);
} else {
  say("This link is incomplete. Open the whole link of the mail.", true);
}
