// Written by console/build.mjs.
[
    ConsoleFile {
        name: "index.html",
        hash: "7fe90f31b2c7",
        kind: FileKind::Html,
        gzip: include_bytes!("index.html.gz"),
        brotli: include_bytes!("index.html.br"),
    },
    ConsoleFile {
        name: "console-27df0d59ff65.js",
        hash: "27df0d59ff65",
        kind: FileKind::Script,
        gzip: include_bytes!("console-27df0d59ff65.js.gz"),
        brotli: include_bytes!("console-27df0d59ff65.js.br"),
    },
    ConsoleFile {
        name: "console-ca514709ddae.css",
        hash: "ca514709ddae",
        kind: FileKind::Style,
        gzip: include_bytes!("console-ca514709ddae.css.gz"),
        brotli: include_bytes!("console-ca514709ddae.css.br"),
    },
    ConsoleFile {
        name: "icon-349acf2fe86d.svg",
        hash: "349acf2fe86d",
        kind: FileKind::Icon,
        gzip: include_bytes!("icon-349acf2fe86d.svg.gz"),
        brotli: include_bytes!("icon-349acf2fe86d.svg.br"),
    },
]
