//! Damaged files: every loss is reported with its file, and the rest is delivered.
//!
//! A server takes events and is stopped, in both ways, while deliveries of two
//! subscriptions are outstanding. Then each file of its data directory is damaged in
//! turn, on a copy, and a server starts on the copy: either all acknowledged events
//! arrive, or the log names the damaged file, or the server refuses to start and says
//! why. The ledgers of sender and receivers decide.

mod site;

use crate::harness::{Random, setting, turn};
use site::{DamageSite, ServerEnding};
use std::path::{Path, PathBuf};
use std::thread;

/// A damage to a file.
#[derive(Debug, Clone, Copy)]
enum FileDamage {
    Flip { at: u64, with: u8 },
    Cut { to: u64 },
    Remove,
}

/// How a server with a damaged file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DamageVerdict {
    /// Nothing was lost.
    Whole,
    /// Events were lost, and the log says where.
    Named,
    /// The server did not start, and says why.
    Refused,
}

#[test]
fn no_damage_to_any_file_loses_an_event_silently() {
    let _turn = turn::heavy();
    let mut random = Random::new("damage");
    let which = setting("SLUICE_TEST_DAMAGE").unwrap_or_default();
    let all = which == "all";
    let endings = [ServerEnding::Kill, ServerEnding::Terminate, ServerEnding::Kill, ServerEnding::Terminate];
    let workers: Vec<_> = endings
        .into_iter()
        .enumerate()
        .map(|(nth, ending)| {
            let mut random = Random::from(random.next());
            let which = which.clone();
            thread::spawn(move || {
                let site = DamageSite::make(ending);
                let cases = cases(&site, &mut random, all);
                // Two sites of each ending: each takes half of the files, or all.
                let mine = |index: usize, path: &Path| match which.as_str() {
                    "" => index % 2 == nth / 2,
                    "all" => true,
                    part => path.to_string_lossy().contains(part),
                };
                let judge = |(path, damage): (PathBuf, FileDamage)| {
                    let told = format!("{ending:?}, {}: {damage:?}", path.display());
                    (told, judge(&site, &path, damage))
                };
                cases
                    .into_iter()
                    .filter(|(index, path, _)| mine(*index, path))
                    .map(|(_, path, damage)| judge((path, damage)))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let verdicts: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect();
    let mut silent = Vec::new();
    let count = |wanted| verdicts.iter().filter(|(_, verdict)| verdict.as_ref() == Ok(&wanted)).count();
    eprintln!(
        "{} damages: {} lost nothing, {} lost what the log names, {} refused to start",
        verdicts.len(),
        count(DamageVerdict::Whole),
        count(DamageVerdict::Named),
        count(DamageVerdict::Refused)
    );
    for (told, verdict) in &verdicts {
        match verdict {
            Ok(verdict) => eprintln!("{verdict:?}: {told}"),
            Err(why) => silent.push(format!("{told}: {why}")),
        }
    }
    assert!(silent.is_empty(), "{} damages with a bad end:\n{}", silent.len(), silent.join("\n\n"));
    assert!(
        count(DamageVerdict::Named) + count(DamageVerdict::Refused) > 0,
        "the damage did none: the test proves nothing"
    );
}

/// The damages to try on each file, with the file's number.
fn cases(site: &DamageSite, random: &mut Random, all: bool) -> Vec<(usize, PathBuf, FileDamage)> {
    let mut cases = Vec::new();
    for (index, (path, written)) in site.files().into_iter().enumerate() {
        let mut add = |damage| cases.push((index, path.clone(), damage));
        add(FileDamage::Remove);
        if written == 0 {
            continue;
        }
        let with = 1 << random.below(8);
        add(FileDamage::Flip { at: random.below(written), with });
        add(FileDamage::Cut { to: random.below(written) });
        if all {
            let places = [0, 9, 40, 70, written / 2, written - 1];
            places.into_iter().filter(|at| *at < written).for_each(|at| add(FileDamage::Flip { at, with }));
            [0, 64, written / 2, written - 1]
                .into_iter()
                .filter(|to| *to < written)
                .for_each(|to| add(FileDamage::Cut { to }));
        }
    }
    cases
}

/// Damages a file of a copy, starts a server on the copy and judges what arrives.
fn judge(site: &DamageSite, path: &Path, damage: FileDamage) -> Result<DamageVerdict, String> {
    let copy = site.copy();
    let size = std::fs::metadata(copy.path().join(path)).expect("a file").len();
    apply(&copy.path().join(path), damage);
    let end = site.try_start(copy.path());
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    let names_it = end.log.lines().filter(|line| !line.contains("INFO")).any(|line| names(line, path, size));
    let last = || end.log.lines().rev().take(12).collect::<Vec<_>>().join("\n  ");
    match end.lost {
        None if end.refused_well && end.log.contains(&name) => Ok(DamageVerdict::Refused),
        None => Err(format!("it did not start, and did not say well why:\n  {}", last())),
        Some(_) if !end.takes_new => Err(format!("it started and takes no events:\n  {}", last())),
        Some(lost) if lost > 0 && !names_it => {
            Err(format!("{lost} events were lost SILENTLY:\n  {}", last()))
        }
        // A frame of the log is one record. A frame of the state is a commit of any number
        // of deliveries, so its loss has no such bound.
        Some(lost)
            if matches!(damage, FileDamage::Flip { .. })
                && path.starts_with("log")
                && lost > site::RECORD_EVENTS_MAX =>
        {
            Err(format!("a single byte lost {lost} events, more than two records have:\n  {}", last()))
        }
        Some(0) => Ok(DamageVerdict::Whole),
        Some(_) => Ok(DamageVerdict::Named),
    }
}

/// Whether a line of the log says that this file is damaged. A removed segment is
/// named by the range that it held: `…/shard-0: a segment is missing: nothing
/// holds the log from 0 to 1048576`.
fn names(line: &str, path: &Path, size: u64) -> bool {
    if line.contains(&*path.file_name().expect("a file").to_string_lossy()) {
        return true;
    }
    let (Some(directory), Some(base)) = (path.parent(), path.file_stem()) else { return false };
    let Ok(base) = base.to_string_lossy().parse::<u64>() else { return false };
    let number = |before: &str| -> Option<u64> {
        let rest = &line[line.rfind(before)? + before.len()..];
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
    };
    let (Some(from), Some(to)) = (number(" from "), number(" to ")) else { return false };
    line.contains(&*directory.to_string_lossy()) && from < base + size && base < to
}

fn apply(file: &Path, damage: FileDamage) {
    match damage {
        FileDamage::Remove => std::fs::remove_file(file).expect("remove a file"),
        FileDamage::Cut { to } => {
            let file = std::fs::File::options().write(true).open(file).expect("open a file");
            file.set_len(to).expect("cut a file");
        }
        FileDamage::Flip { at, with } => {
            let mut bytes = std::fs::read(file).expect("read a file");
            bytes[usize::try_from(at).unwrap()] ^= with;
            std::fs::write(file, bytes).expect("write a file");
        }
    }
}
