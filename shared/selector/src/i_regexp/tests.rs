//! Each rule of RFC 9485 by example, and all rules against a small matcher that follows the
//! grammar by trying every way to match.

use super::super::budget::StepBudget;
use super::super::pattern::{Extent, Pattern, PatternFault};
use super::*;
use proptest::prelude::*;

const COMPILED_BYTES_MAX: usize = 1 << 20;

fn compile(source: &str, extent: Extent) -> Result<Pattern, PatternFault> {
    Pattern::compile_i_regexp(source, extent, COMPILED_BYTES_MAX)
}

#[track_caller]
fn matches(source: &str, text: &str) -> bool {
    let pattern = compile(source, Extent::Whole).unwrap_or_else(|fault| panic!("{source}: {fault}"));
    pattern.is_match(text, &mut StepBudget::new(u32::MAX)).unwrap()
}

#[test]
fn operators_of_other_engines_are_ordinary_characters_in_a_class() {
    for (source, yes, no) in [
        ("[a&&b]+", &["&&", "a&b", "ab"][..], &["", "c"][..]),
        ("[~~]", &["~"], &["", "a"]),
        ("[a~~b]", &["~", "a", "b"], &["c"]),
        ("[&-~]", &["&", "a", "~"], &["%"]),
        ("[-a]", &["-", "a"], &["b"]),
        ("[a-]", &["-", "a"], &["b"]),
        ("[^-a]", &["b"], &["-", "a"]),
        ("[^a-]", &["b"], &["-", "a"]),
        ("[-]", &["-"], &["a"]),
        ("[a^]", &["^", "a"], &["b"]),
        ("[.*+?(){}|$/]", &[".", "*", "+", "?", "(", ")", "{", "}", "|", "$", "/"], &["a"]),
        (r"[\[\]\\\-\^]", &["[", "]", "\\", "-", "^"], &["a"]),
        (r"[+-\-]", &["+", ",", "-"], &["*"]),
        ("[:alpha:]", &[":", "a", "l", "p", "h"], &["b"]),
        ("[ #]", &[" ", "#"], &["a"]),
    ] {
        for text in yes {
            assert!(matches(source, text), "{source} on {text}");
        }
        for text in no {
            assert!(!matches(source, text), "{source} on {text}");
        }
    }
}

#[test]
fn the_rest_of_the_grammar_means_what_rfc_9485_says() {
    for (source, yes, no) in [
        ("", &[""][..], &["a"][..]),
        ("a||b", &["a", "", "b"], &["c"]),
        ("()", &[""], &["a"]),
        ("a.c", &["abc", "a\u{2028}c", "a\u{85}c", "a😀c"], &["a\nc", "a\rc", "ac"]),
        ("a{2}", &["aa"], &["a", "aaa"]),
        ("a{2,}", &["aa", "aaaa"], &["a"]),
        ("a{1,2}b?", &["a", "aab"], &["aaa", "b"]),
        ("a{0}", &[""], &["a"]),
        (r"\n\r\t", &["\n\r\t"], &["nrt"]),
        (r"\(\)\*\+\-\.\?\[\\\]\^\{\|\}", &["()*+-.?[\\]^{|}"], &["()"]),
        (r"\p{Lu}\P{Lu}", &["Ab", "Ж1"], &["ab", "AB"]),
        (r"[\p{Nd}x]+", &["1x", "٣"], &["y"]),
        (r"[^\p{L}]", &["1"], &["a"]),
        (r"[\P{L}b]+", &["1b"], &["a"]),
        (r"\p{Cn}", &["\u{378}"], &["a"]),
        ("#a b", &["#a b"], &["ab"]),
        ("a/b'c\"d`e", &["a/b'c\"d`e"], &["a"]),
        ("a-b,c~d&&e@f<g>", &["a-b,c~d&&e@f<g>"], &["a"]),
        ("^a$", &["a"], &["^a$"]),
        (r"\^a[$]", &["^a$"], &["a"]),
        ("A", &["A"], &["a"]),
        ("ß", &["ß"], &["ss", "SS"]),
        ("\n", &["\n"], &[""]),
        ("a|bc", &["a", "bc"], &["ac"]),
        ("(a|b)c", &["ac", "bc"], &["a"]),
    ] {
        for text in yes {
            assert!(matches(source, text), "{source} on {text}");
        }
        for text in no {
            assert!(!matches(source, text), "{source} on {text}");
        }
    }
}

#[test]
fn all_general_categories_of_the_grammar_are_taken_and_no_others() {
    let mut taken = 0;
    for group in 'A'..='Z' {
        for category in std::iter::once(None).chain(('a'..='z').map(Some)) {
            let name: String = std::iter::once(group).chain(category).collect();
            let found = compile(&format!("\\p{{{name}}}"), Extent::Whole).is_ok();
            assert_eq!(found, is_category(&name), "{name}");
            assert_eq!(compile(&format!("[^\\P{{{name}}}]"), Extent::Whole).is_ok(), found, "{name}");
            taken += usize::from(found);
        }
    }
    assert_eq!(taken, 7 + 29);
}

#[test]
fn what_rfc_9485_does_not_have_is_refused() {
    for source in [
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        r"\b",
        r"\B",
        r"\A",
        r"\z",
        r"\1",
        r"\x41",
        r"\u0041",
        r"\f",
        r"\v",
        r"\0",
        r"\/",
        r"\$",
        r"\ ",
        r"\",
        r"[\d]",
        r"[\w-]",
        r"\pL",
        r"\p{Greek}",
        r"\p{^L}",
        r"\p{Cs}",
        r"\p{lu}",
        r"\p{L",
        r"\p{}",
        r"\p{IsBasicLatin}",
        "(?:a)",
        "(?i)a",
        "(?=a)",
        "(?<n>a)",
        "(?P<n>a)",
        "(?#a)",
        "a*?",
        "a+?",
        "a??",
        "a{1}?",
        "a**",
        "a{1}{2}",
        "a*+",
        "*",
        "+a",
        "?",
        "|*",
        "(*a)",
        "a{",
        "a}",
        "a{}",
        "a{,2}",
        "a{a}",
        "a{1,2,3}",
        "a{-1}",
        "a{2,1}",
        "a{ 1}",
        "{1}",
        "(",
        ")",
        "(a",
        "a)",
        "(a))",
        ")(",
        "[",
        "]",
        "a]",
        "[]",
        "[^]",
        "[]a]",
        "[a",
        "[a-b-c]",
        "[--a]",
        "[a--]",
        "[!--]",
        "[z-a]",
        "[a-\\p{L}]",
        "[\\p{L}-a]",
        "[[a]]",
        "[a[b]]",
        "[[:alpha:]]",
        "[a-z&&[^b]]",
        "[a--[b]]",
        "[^^-",
        "a{99999999999}",
        "a\\",
    ] {
        for extent in [Extent::Part, Extent::Whole] {
            assert!(compile(source, extent).is_err(), "{source}");
        }
    }
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(matches(&nested(32), "a"));
    assert!(compile(&nested(33), Extent::Part).is_err());
    assert!(compile(&nested(100_000), Extent::Part).is_err());
}

#[test]
fn a_search_finds_the_pattern_anywhere() {
    let found = |source: &str, text: &str| {
        compile(source, Extent::Part).unwrap().is_match(text, &mut StepBudget::new(u32::MAX)).unwrap()
    };
    assert!(found("[a&&b]", "x&x"));
    assert!(found("^b|c$", "xxc") && !found("^b|c$", "xbcx"));
    assert!(!found("^a$", "b\na\nb"), "`^` and `$` are the ends of the string, not of a line");
}

/// An I-Regexp, in the terms of its grammar.
#[derive(Debug, Clone)]
enum Tree {
    Literal(char),
    Any,
    Class { negated: bool, parts: Vec<ClassPart> },
    Category(&'static str, bool),
    Sequence(Vec<Tree>),
    Choice(Vec<Tree>),
    Repeat(Box<Tree>, usize, Option<usize>),
}

#[derive(Debug, Clone)]
enum ClassPart {
    Range(char, char),
    Category(&'static str, bool),
}

/// The characters of the property test, and the category of each.
const ALPHABET: [(char, &str); 24] = [
    ('a', "Ll"),
    ('b', "Ll"),
    ('Z', "Lu"),
    ('é', "Ll"),
    ('1', "Nd"),
    ('&', "Po"),
    ('~', "Sm"),
    ('-', "Pd"),
    ('^', "Sk"),
    ('$', "Sc"),
    ('.', "Po"),
    ('[', "Ps"),
    (']', "Pe"),
    ('\\', "Po"),
    ('|', "Sm"),
    ('*', "Po"),
    ('(', "Ps"),
    ('{', "Ps"),
    ('}', "Pe"),
    ('\n', "Cc"),
    ('\r', "Cc"),
    ('\u{2028}', "Zl"),
    ('😀', "So"),
    ('#', "Po"),
];

fn in_category(character: char, category: &str) -> bool {
    ALPHABET.iter().any(|(known, found)| *known == character && found.starts_with(category))
}

fn any_character() -> impl Strategy<Value = char> {
    prop::sample::select(ALPHABET.map(|(character, _)| character).to_vec())
}

fn any_category() -> impl Strategy<Value = (&'static str, bool)> {
    (prop::sample::select(vec!["L", "Ll", "Lu", "Nd", "P", "Po", "S", "Sm", "Cc", "Z"]), any::<bool>())
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let part = prop_oneof![
        4 => (any_character(), any_character()).prop_map(|(a, b)| ClassPart::Range(a.min(b), a.max(b))),
        3 => any_character().prop_map(|character| ClassPart::Range(character, character)),
        1 => any_category().prop_map(|(name, negated)| ClassPart::Category(name, negated)),
    ];
    let class = (any::<bool>(), prop::collection::vec(part, 1..5))
        .prop_map(|(negated, parts)| Tree::Class { negated, parts });
    let leaf = prop_oneof![
        4 => any_character().prop_map(Tree::Literal),
        1 => Just(Tree::Any),
        4 => class,
        1 => any_category().prop_map(|(name, negated)| Tree::Category(name, negated)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::Sequence),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::Choice),
            (inner, 0_usize..3, prop::option::of(0_usize..3)).prop_map(|(tree, least, more)| Tree::Repeat(
                Box::new(tree),
                least,
                more.map(|more| least + more)
            )),
        ]
    })
}

/// The tree as text. Characters that may be escaped are escaped only where they must be.
fn render(tree: &Tree) -> String {
    match tree {
        Tree::Literal(character) => escaped(*character, r"()*+.?[]\^{}|"),
        Tree::Any => ".".to_owned(),
        Tree::Class { negated, parts } => {
            let parts: String = parts.iter().map(render_part).collect();
            // A class that begins with a bare `^` would be a negated class.
            let parts = if parts.starts_with('^') { format!("\\{parts}") } else { parts };
            format!("[{}{parts}]", if *negated { "^" } else { "" })
        }
        Tree::Category(name, negated) => render_category(name, *negated),
        Tree::Sequence(trees) => format!("({})", trees.iter().map(render).collect::<String>()),
        Tree::Choice(trees) => format!("({})", trees.iter().map(render).collect::<Vec<_>>().join("|")),
        Tree::Repeat(tree, least, most) => {
            let tree = render(tree);
            // A quantifier applies to an atom, and a repetition is not an atom.
            format!("({tree}){}", render_quantifier(*least, *most))
        }
    }
}

fn render_quantifier(least: usize, most: Option<usize>) -> String {
    match (least, most) {
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => "?".to_owned(),
        (least, None) => format!("{{{least},}}"),
        (least, Some(most)) if least == most => format!("{{{least}}}"),
        (least, Some(most)) => format!("{{{least},{most}}}"),
    }
}

fn render_part(part: &ClassPart) -> String {
    let character = |character: char| escaped(character, r"-[]\");
    match part {
        ClassPart::Range(first, last) if first == last => character(*first),
        ClassPart::Range(first, last) => format!("{}-{}", character(*first), character(*last)),
        ClassPart::Category(name, negated) => render_category(name, *negated),
    }
}

fn render_category(name: &str, negated: bool) -> String {
    format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' })
}

fn escaped(character: char, special: &str) -> String {
    match character {
        // The only way to write a literal `$`, which has no escape.
        '$' if special.contains('*') => "[$]".to_owned(),
        character if special.contains(character) => format!("\\{character}"),
        character => character.to_string(),
    }
}

/// Every place at which a match of the tree from `start` can end.
fn ends(tree: &Tree, text: &[char], start: usize) -> Vec<usize> {
    let one = |fits: bool| if fits { vec![start + 1] } else { Vec::new() };
    let character = text.get(start).copied();
    match tree {
        Tree::Literal(literal) => one(character == Some(*literal)),
        Tree::Any => one(character.is_some_and(|found| found != '\n' && found != '\r')),
        Tree::Class { negated, parts } => one(character.is_some_and(|found| {
            parts.iter().any(|part| match part {
                ClassPart::Range(first, last) => (*first..=*last).contains(&found),
                ClassPart::Category(name, complement) => in_category(found, name) != *complement,
            }) != *negated
        })),
        Tree::Category(name, negated) => {
            one(character.is_some_and(|found| in_category(found, name) != *negated))
        }
        Tree::Sequence(trees) => {
            trees.iter().fold(vec![start], |starts, tree| after_each(tree, text, &starts))
        }
        Tree::Choice(trees) => sorted(trees.iter().flat_map(|tree| ends(tree, text, start))),
        Tree::Repeat(tree, least, most) => {
            let mut reached = vec![start];
            for _ in 0..*least {
                reached = after_each(tree, text, &reached);
            }
            let mut all = reached.clone();
            // More rounds than there are characters find nothing new.
            for _ in 0..most.map_or(text.len() + 1, |most| most - least) {
                reached = after_each(tree, text, &reached);
                all.extend(&reached);
            }
            sorted(all)
        }
    }
}

fn after_each(tree: &Tree, text: &[char], starts: &[usize]) -> Vec<usize> {
    sorted(starts.iter().flat_map(|start| ends(tree, text, *start)))
}

fn sorted(ends: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut ends: Vec<_> = ends.into_iter().collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn patterns_match_what_the_reference_matches(
        tree in any_tree(), texts in prop::collection::vec(prop::collection::vec(any_character(), 0..6), 8)
    ) {
        let source = render(&tree);
        let whole = compile(&source, Extent::Whole);
        let part = compile(&source, Extent::Part);
        prop_assert!(whole.is_ok() && part.is_ok(), "{}: {:?}", source, whole.err());
        for characters in texts {
            let text: String = characters.iter().collect();
            let found = |pattern: &Result<Pattern, _>| {
                pattern.as_ref().unwrap().is_match(&text, &mut StepBudget::new(u32::MAX)).unwrap()
            };
            let wanted = ends(&tree, &characters, 0).contains(&characters.len());
            prop_assert_eq!(found(&whole), wanted, "{} on {:?}", source, text);
            let wanted = (0..=characters.len()).any(|start| !ends(&tree, &characters, start).is_empty());
            prop_assert_eq!(found(&part), wanted, "{} in {:?}", source, text);
        }
    }

    #[test]
    fn no_text_makes_the_translation_panic(source in "[-a\\[\\]^$.*+?(){}|\\\\p{L,0-9 &~é]{0,20}") {
        let _result = compile(&source, Extent::Whole);
    }
}
