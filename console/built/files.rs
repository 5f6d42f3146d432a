// Written by console/build.mjs.
[
    ConsoleFile {
        name: "index.html",
        hash: "2cb1f6cb39ba",
        kind: FileKind::Html,
        gzip: include_bytes!("index.html.gz"),
        brotli: include_bytes!("index.html.br"),
    },
    ConsoleFile {
        name: "console-2d6ea51300c4.js",
        hash: "2d6ea51300c4",
        kind: FileKind::Script,
        gzip: include_bytes!("console-2d6ea51300c4.js.gz"),
        brotli: include_bytes!("console-2d6ea51300c4.js.br"),
    },
    ConsoleFile {
        name: "console-6d2c14e5c9d3.css",
        hash: "6d2c14e5c9d3",
        kind: FileKind::Style,
        gzip: include_bytes!("console-6d2c14e5c9d3.css.gz"),
        brotli: include_bytes!("console-6d2c14e5c9d3.css.br"),
    },
    ConsoleFile {
        name: "icon-349acf2fe86d.svg",
        hash: "349acf2fe86d",
        kind: FileKind::Icon,
        gzip: include_bytes!("icon-349acf2fe86d.svg.gz"),
        brotli: include_bytes!("icon-349acf2fe86d.svg.br"),
    },
]
