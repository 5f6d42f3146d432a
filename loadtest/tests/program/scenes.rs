//! Replays, scenarios and the page of a result, as the command line offers them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{ProgramServer, json, output};

/// The server's binary, where the workspace's are built.
fn sluice() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_sluice-loadtest")).with_file_name("sluice");
    path.exists().then_some(path)
}

#[test]
fn a_compressed_recording_is_played_twice_and_verified() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (recording, sent, received) = (path("recording.jsonl"), path("sent"), path("received"));
    let line = |nth: u32| {
        let customer = nth % 7;
        format!(
            "{{\"at\":{},\"customer\":\"{customer}\",\"event\":{{\"payload\":{{\"n\":{nth}}}}}}}\n",
            nth / 100
        )
    };
    std::fs::write(&recording, (0..1000).map(line).collect::<String>()).expect("written");
    assert!(Command::new("gzip").arg(&recording).status().expect("gzip runs").success());
    let receiver = ProgramServer::start(&["receive", "--ledger", &received, "--json"]);
    let compressed = format!("{recording}.gz");
    let replayed = json(&output(&[
        "replay",
        &compressed,
        "--url",
        &receiver.url,
        "--speed",
        "max",
        "--loop",
        "2",
        "--ledger",
        &sent,
        "--json",
        "--progress",
        "none",
        "--threshold",
        "error_rate<=0",
    ]));
    assert_eq!((&replayed["played"], &replayed["customers"]), (&2000.into(), &7.into()), "{replayed}");
    receiver.interrupt();
    let verified =
        json(&output(&["verify", "--sent", &sent, "--received", &received, "--ordered", "--json"]));
    assert_eq!(
        (&verified["acknowledged"], &verified["out_of_order"]),
        (&2000.into(), &0.into()),
        "{verified}"
    );
}

#[test]
fn a_scenario_with_kills_ends_with_a_verification() {
    let Some(server) = sluice() else {
        eprintln!("SKIPPED: there is no `sluice` beside the tests' binaries; build the workspace first");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let scenario = directory.path().join("scenario.toml");
    let text = "title = 'kills'\nduration = '6s'\n[[flow]]\nrate = '500'\nbatch = 5\nconnections = 4\n\
        [faults]\nkinds = ['kill', 'pause', 'cut_receiver']\nevery = '500ms'\nlasting = '300ms'\n";
    std::fs::write(&scenario, text).expect("written");
    let page = directory.path().join("page.html");
    let result = output(&[
        "chaos",
        scenario.to_str().expect("text"),
        "--server",
        server.to_str().expect("text"),
        "--seed",
        "3",
        "--json",
        "--out",
        page.to_str().expect("text"),
    ]);
    let stdout = String::from_utf8_lossy(&result.stdout);
    let value: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{result:?}"));
    assert!(result.status.success() && value["ok"] == true, "{stdout}");
    assert!(value["faults"].as_array().is_some_and(|faults| faults.len() >= 3), "{stdout}");
    assert_eq!(value["verify"]["lost"], 0);
    assert!(value["verify"]["acknowledged"].as_u64() > Some(500), "{stdout}");
    assert!(std::fs::read_to_string(page).expect("written").contains("\"faults\""));
}

#[test]
fn a_page_draws_its_charts_in_a_browser() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let Some(browser) = browsers.into_iter().find(works) else {
        eprintln!("SKIPPED: no Chromium here (apt-get install chromium): the page is not opened");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let page = path("page.html");
    let server = ProgramServer::start(&["baseline"]);
    let run = |threshold: &str| {
        output(&[
            "run",
            "--url",
            &server.url,
            "--rate",
            "500",
            "--duration",
            "2500ms",
            "--warmup",
            "0s",
            "--progress",
            "none",
            "--out",
            &page,
            "--threshold",
            threshold,
        ])
    };
    // An hour is no unit of latency: the limit is refused before anything runs.
    assert_eq!(run("p50<1h").status.code(), Some(2));
    let ran = run("p50<10s");
    assert!(ran.status.success(), "{ran:?}");
    let profile = format!("--user-data-dir={}", path("profile"));
    let arguments =
        ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom"];
    let seen = Command::new(browser).args(arguments).arg(profile).arg(format!("file://{page}")).output();
    let seen = seen.expect("the browser runs");
    let dom = String::from_utf8_lossy(&seen.stdout);
    assert!(dom.contains("data-charts=\"3\""), "rates, latencies, percentiles: {dom}");
    // What was drawn, without the script that drew it.
    let dom = dom.split("<script>").next().unwrap_or_default();
    for text in ["All limits hold", "99th percentile", "<path d=\"M"] {
        assert!(dom.contains(text), "{text} is missing: {dom}");
    }
    assert!(!dom.contains("NaN") && !dom.contains("undefined"), "{dom}");
}
