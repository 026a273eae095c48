// Show this service's own description in Swagger UI, light or dark like the reader's system.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  url: document.getElementById("docs").dataset.description,
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});

// Swagger UI closes its dialog on Escape, and leaves the focus nowhere. Give it back to what had it before.
let before = null;
document.addEventListener("focusin", ({ target }) => {
  if (!target.closest(".dialog-ux")) before = target;
});
let isOpen = false;
new MutationObserver(() => {
  const wasOpen = isOpen;
  isOpen = document.querySelector(".dialog-ux") !== null;
  if (wasOpen && !isOpen && document.activeElement === document.body) before?.focus();
}).observe(document.getElementById("docs"), { childList: true, subtree: true });
