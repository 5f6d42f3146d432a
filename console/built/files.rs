// Written by console/build.mjs.
[
    ConsoleFile {
        name: "index.html",
        hash: "c349cfad6d2e",
        kind: FileKind::Html,
        gzip: include_bytes!("index.html.gz"),
        brotli: include_bytes!("index.html.br"),
    },
    ConsoleFile {
        name: "console-5e72ce841c8e.js",
        hash: "5e72ce841c8e",
        kind: FileKind::Script,
        gzip: include_bytes!("console-5e72ce841c8e.js.gz"),
        brotli: include_bytes!("console-5e72ce841c8e.js.br"),
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
