// Written by console/build.mjs.
[
    ConsoleFile {
        name: "index.html",
        hash: "72476cc7362c",
        kind: FileKind::Html,
        gzip: include_bytes!("index.html.gz"),
        brotli: include_bytes!("index.html.br"),
    },
    ConsoleFile {
        name: "console-0d99cdbf6119.js",
        hash: "0d99cdbf6119",
        kind: FileKind::Script,
        gzip: include_bytes!("console-0d99cdbf6119.js.gz"),
        brotli: include_bytes!("console-0d99cdbf6119.js.br"),
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
