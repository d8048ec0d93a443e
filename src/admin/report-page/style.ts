/** The one style sheet: no fonts, pictures or scripts, for a telephone as for a desk, in light and in dark. */
export const STYLE = `:root { color-scheme: light dark; --line: #8886; --quiet: #666; --mark: #0b57d0; --warn: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; --mark: #8ab4f8; --warn: #f2b8b5; } }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; }
.quiet { color: var(--quiet); font-size: .9rem; }
.said { border: 1px solid var(--line); border-radius: .4rem; padding: .75rem; white-space: pre-wrap; font: .9rem/1.5 ui-monospace, monospace; }
.told { border-left: .25rem solid var(--mark); padding: .1rem 0 .1rem .9rem; white-space: pre-wrap; }
.problem { border-left: .25rem solid var(--warn); padding: .1rem 0 .1rem .9rem; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
input, textarea { width: 100%; font: inherit; padding: .6rem; border: 1px solid var(--line); border-radius: .4rem; background: Canvas; color: CanvasText; }
textarea { min-height: 9rem; }
button { font: inherit; font-weight: 600; margin: 1rem 0; padding: .7rem 1.4rem; border: 0; border-radius: .4rem; background: var(--mark); color: Canvas; cursor: pointer; }
:focus-visible { outline: .2rem solid var(--mark); outline-offset: .1rem; }
.apart { position: absolute; left: -100vw; width: 1px; height: 1px; overflow: hidden; }
`;
