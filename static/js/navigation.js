// The navigation on a narrow window: where one is, is in sight, and its edges fade where it goes on.

export function watchNavigation() {
  const bar = document.querySelector(".site-nav");
  if (!bar) return;
  const here = bar.querySelector("[aria-current]");
  const middle = (here?.getBoundingClientRect().left ?? 0) + (here?.clientWidth ?? 0) / 2;
  bar.scrollLeft = here ? middle - bar.getBoundingClientRect().left - bar.clientWidth / 2 : 0;
  const tell = () => {
    const left = bar.scrollWidth - bar.clientWidth - bar.scrollLeft;
    bar.classList.toggle("goes-on-before", bar.scrollLeft > 1);
    bar.classList.toggle("goes-on-after", left > 1);
  };
  bar.addEventListener("scroll", tell, { passive: true });
  new ResizeObserver(tell).observe(bar);
}
