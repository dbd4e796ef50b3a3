// A page that the browser kept whole is asked for again: its session may have ended meanwhile.
export function watchReturns() {
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}
