// Written by console/build.mjs.
[
    ConsoleFile {
        name: "index.html",
        hash: "b0bc086e465b",
        kind: FileKind::Html,
        gzip: include_bytes!("index.html.gz"),
        brotli: include_bytes!("index.html.br"),
    },
    ConsoleFile {
        name: "console-d3bd62315227.js",
        hash: "d3bd62315227",
        kind: FileKind::Script,
        gzip: include_bytes!("console-d3bd62315227.js.gz"),
        brotli: include_bytes!("console-d3bd62315227.js.br"),
    },
    ConsoleFile {
        name: "console-41a9b404823f.css",
        hash: "41a9b404823f",
        kind: FileKind::Style,
        gzip: include_bytes!("console-41a9b404823f.css.gz"),
        brotli: include_bytes!("console-41a9b404823f.css.br"),
    },
    ConsoleFile {
        name: "icon-349acf2fe86d.svg",
        hash: "349acf2fe86d",
        kind: FileKind::Icon,
        gzip: include_bytes!("icon-349acf2fe86d.svg.gz"),
        brotli: include_bytes!("icon-349acf2fe86d.svg.br"),
    },
]
