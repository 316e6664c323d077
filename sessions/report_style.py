"""The report's style sheet; light and dark follow the reader's system."""

STYLE = """
:root { color-scheme: light dark; --page:#f4f6f9; --card:#ffffff; --text:#1d2430; --faint:#667085; --line:#e6e9ef;
  --good:#1f7a5c; --bad:#c2453b; --base:#8792a6; --accent:#e07a26; --shadow:0 1px 2px #10182810, 0 6px 24px #1018280d; }
@media (prefers-color-scheme: dark) { :root { --page:#0e1116; --card:#171b22; --text:#e7eaf0; --faint:#98a2b3;
  --line:#2a303a; --good:#4cc38a; --bad:#f07f75; --base:#8f9bb0; --accent:#f0a35e; --shadow:none; } }
* { box-sizing:border-box } html { background:var(--page) }
body { margin:0 auto; padding:40px 24px 64px; max-width:1080px; color:var(--text);
  font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif }
header { display:flex; flex-wrap:wrap; align-items:baseline; gap:4px 16px; margin-bottom:24px }
h1 { font-size:28px; letter-spacing:-.02em; margin:0 } h1 b { color:var(--accent) }
h2 { font-size:18px; letter-spacing:-.01em; margin:0 0 2px } p { margin:0 0 14px; color:var(--faint) }
header span { color:var(--faint) } code { font:13px ui-monospace,SFMono-Regular,Menlo,monospace }
section, .tile { background:var(--card); border:1px solid var(--line); border-radius:14px; box-shadow:var(--shadow) }
section { padding:22px 24px; margin-top:18px; overflow-x:auto }
.tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(160px,1fr)); gap:12px; margin-top:12px }
.tiles.rates { grid-template-columns:repeat(auto-fit,minmax(300px,1fr)) }
.tile { padding:14px 16px } .tile small { color:var(--faint); display:block }
.tile strong { font-size:24px; white-space:nowrap; letter-spacing:-.02em; display:block;
  line-height:1.3; font-variant-numeric:tabular-nums }
.rates .tile strong { font-size:34px } .tile.final strong { color:var(--good) }
.meter { position:relative; height:8px; border-radius:4px; background:var(--line); margin:8px 0 6px }
.meter i, .meter b { position:absolute; top:0; bottom:0; border-radius:4px }
.meter i { background:var(--base); opacity:.45 } .meter b { width:4px; margin-left:-2px; background:var(--base) }
.final .meter i, .final .meter b { background:var(--good) }
img { display:block; max-width:100%; height:auto } picture img { width:100% }
.films { display:grid; grid-template-columns:repeat(auto-fit,minmax(260px,400px)); gap:20px }
figure { margin:0 } figure img { border-radius:10px; width:100% }
.strip { margin-top:14px } .strip img { border-radius:0 }
figcaption { margin:8px 0 0; color:var(--faint) } figcaption b { color:var(--text) }
.tag { display:inline-block; padding:1px 9px; border-radius:99px; font-size:13px; font-weight:600 }
.tag.good { color:var(--good); background:color-mix(in srgb, var(--good) 14%, transparent) }
.tag.bad { color:var(--bad); background:color-mix(in srgb, var(--bad) 14%, transparent) }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums }
th { text-align:left; font-weight:600; color:var(--faint); font-size:13px }
th, td { padding:7px 14px 7px 0; border-bottom:1px solid var(--line); vertical-align:top }
td.n, th.n { text-align:right; white-space:nowrap } .n + :not(.n) { padding-left:14px }
tr:last-child td { border-bottom:0 }
details summary { cursor:pointer; font-weight:600 }
pre { overflow:auto; font:12.5px/1.5 ui-monospace,Menlo,monospace }
.missing { color:var(--faint); font-style:italic; margin:0 }
footer { margin-top:26px; color:var(--faint); font-size:13px }
"""
