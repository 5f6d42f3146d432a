//! A short run of fuzz targets without a fuzzer: over the corpus, and over inputs made from
//! it with fixed seeds, so that failures can be repeated.

use super::Target;
use std::path::Path;

/// The most bytes of an input.
const LEN_MAX: usize = 64 << 10;

/// Bytes and words that often break parsers.
const TOKENS: [&[u8]; 20] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"$..*",
    b"?@",
    b"\r\n",
    b"\n",
    b":",
];

/// Runs each target over its corpus, and over `count` inputs made from it.
///
/// # Panics
/// If a corpus is missing or empty, or a target panics: a message before the panic names
/// the target and the seed.
pub fn rounds(targets: &[Target], corpora: &str, count: u64) {
    for (name, target) in targets {
        let corpus = read(&Path::new(corpora).join(name));
        assert!(!corpus.is_empty(), "{corpora}/{name} is empty");
        for (file, input) in &corpus {
            let _told = OnPanic(|| format!("target {name}, file {file}"));
            target(input);
        }
        for seed in 0..count {
            let entry = |number: u64| &corpus[(number % corpus.len() as u64) as usize].1;
            let input = mutated(seed, entry(seed), entry(seed / 7 + 1));
            let _told = OnPanic(|| format!("target {name}, seed {seed}: {}", input.escape_ascii()));
            target(&input);
        }
    }
}

/// The files of a corpus in the order of their names.
fn read(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, std::fs::read(entry.path()).ok()?)))
        .collect();
    files.sort();
    files
}

/// Prints a text if it is dropped by a panic.
struct OnPanic<F: Fn() -> String>(F);

impl<F: Fn() -> String> Drop for OnPanic<F> {
    #[expect(clippy::print_stderr, reason = "a failed test tells what it ran")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", (self.0)());
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededNumbers(u64);

impl SeededNumbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit.max(1) as u64) as usize
    }
}

/// `base` with a few changes, some of them from `other`; the same for the same seed.
#[must_use]
pub fn mutated(seed: u64, base: &[u8], other: &[u8]) -> Vec<u8> {
    let mut random = SeededNumbers(seed);
    let mut bytes = base.to_vec();
    for _ in 0..=random.below(4) {
        let offset = random.below(bytes.len() + 1);
        let end = (offset + 1 + random.below(16)).min(bytes.len());
        match random.below(7) {
            0 if offset < bytes.len() => bytes[offset] ^= 1 << random.below(8),
            1 if offset < bytes.len() => bytes[offset] = random.below(256) as u8,
            2 => drop(bytes.drain(offset..end.max(offset))),
            3 => {
                let token = TOKENS[random.below(TOKENS.len())];
                drop(bytes.splice(offset..offset, token.iter().copied()));
            }
            4 => {
                let piece = bytes[offset..end.max(offset)].repeat(1 + random.below(40));
                drop(bytes.splice(offset..offset, piece));
            }
            5 => {
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                drop(bytes.splice(offset..offset, other[from..to].iter().copied()));
            }
            _ => bytes.truncate(offset),
        }
        bytes.truncate(LEN_MAX);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_input() {
        let inputs: Vec<_> = (0..200).map(|seed| mutated(seed, b"{\"a\":[1,2]}", b"other")).collect();
        assert_eq!(
            inputs,
            (0..200).map(|seed| mutated(seed, b"{\"a\":[1,2]}", b"other")).collect::<Vec<_>>()
        );
        let mut distinct = inputs;
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() > 150);
    }

    #[test]
    fn a_target_that_does_harm_is_found_out() {
        fn target(bytes: &[u8]) {
            assert!(!bytes.contains(&b'}'), "harm");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("x")).unwrap();
        std::fs::write(dir.path().join("x/one"), "abc").unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        std::panic::catch_unwind(|| rounds(&[("x", target)], &path, 500)).unwrap_err();
        std::panic::catch_unwind(|| rounds(&[("no_corpus", target)], &path, 1)).unwrap_err();
    }
}
