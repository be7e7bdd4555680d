//! Finds the rule that decides a path among thousands, without asking those that cannot match.

use memchr::memmem;

use super::spelling;

/// Work that one check may spend on wildcards, in octets searched: about two milliseconds, or a thousand rules that
/// nearly match a path of eight thousand octets.
const WORK_MAX: usize = 8 << 20;

/// What it costs to ask one rule, in octets searched.
const RULE_WORK: usize = 64;

/// One allow or disallow line as written, its value trimmed and not empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Whether it allows.
    pub(super) allow: bool,
    /// The path pattern.
    pub(super) value: &'a [u8],
    /// The line, from 1.
    pub(super) number: u32,
}

/// The rules of one host, by their literal prefix: what stands before the first `*`.
///
/// Rules of one prefix form a bucket, and buckets are in the order of their prefixes. The prefixes that begin a path
/// are then all found among the last prefix not above the path and that prefix's own prefixes, so a check is a binary
/// search and a walk up `parent`, whatever the number of rules. Rules with wildcards are asked one by one, but first
/// dismissed by the pairs of octets they need, and within a budget of work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleIndex {
    texts: Box<[u8]>,
    rules: Box<[Rule]>,
    buckets: Box<[Bucket]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    /// The first of its rules; they end where the next bucket begins.
    first: u32,
    /// The bucket of the longest prefix of this prefix.
    parent: Option<u32>,
}

/// One rule, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Whether it allows.
    pub(super) allow: bool,
    /// Its line, from 1.
    pub(super) line: u32,
    /// Whether it must match to the end of the path.
    anchored: bool,
    /// Where its pattern stands in the texts, without the `$` that ends it.
    start: u32,
    end: u32,
    prefix_len: u32,
    /// The pairs of octets that must stand in a path behind the prefix.
    pairs: u128,
}

/// What became of a search for the rule that decides a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search<'a> {
    /// This rule decides.
    Found(&'a Rule),
    /// No rule matches.
    NotFound,
    /// The budget of work ran out: the file was made to be expensive.
    TooMuchWork,
}

impl Rule {
    /// Whether its pattern holds no `*`.
    fn is_literal(&self) -> bool {
        self.end - self.start == self.prefix_len
    }

    /// What is compared between rules that match: octets of the pattern, then allow before disallow.
    fn rank(&self) -> (u32, bool) {
        (self.end - self.start + u32::from(self.anchored), self.allow)
    }
}

impl RuleIndex {
    /// Compiles lines; of equal ones the first stays.
    pub(super) fn new(lines: Vec<Line<'_>>) -> Self {
        let mut texts = Vec::new();
        let mut rules: Vec<Rule> = lines.into_iter().filter_map(|line| compile(&mut texts, line)).collect();
        let text = |rule: &Rule| slice(&texts, rule.start, rule.end);
        let prefix = |rule: &Rule| slice(&texts, rule.start, rule.start + rule.prefix_len);
        rules.sort_unstable_by(|one, other| {
            (prefix(one).cmp(prefix(other)))
                .then_with(|| other.rank().cmp(&one.rank()))
                .then_with(|| text(one).cmp(text(other)))
                .then_with(|| one.line.cmp(&other.line))
        });
        rules.dedup_by(|later, first| (later.rank(), text(later)) == (first.rank(), text(first)));
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut known: Option<&[u8]> = None;
        for (first, rule) in (0_u32..).zip(&rules) {
            if known != Some(prefix(rule)) {
                known = Some(prefix(rule));
                let mut parent = buckets.len().checked_sub(1).and_then(|last| u32::try_from(last).ok());
                while let Some(bucket) = parent.and_then(|at| buckets.get(at as usize)) {
                    let begins = rules
                        .get(bucket.first as usize)
                        .is_some_and(|it| prefix(rule).starts_with(prefix(it)));
                    if begins {
                        break;
                    }
                    parent = bucket.parent;
                }
                buckets.push(Bucket { first, parent });
            }
        }
        Self { texts: texts.into(), rules: rules.into(), buckets: buckets.into() }
    }

    /// Searches the rule that decides a path with its query.
    pub(super) fn find(&self, path_and_query: &str) -> Search<'_> {
        if self.buckets.is_empty() {
            return Search::NotFound;
        }
        let path = spelling::path(path_and_query);
        let path_pairs = pairs(&path);
        let mut work_left = WORK_MAX;
        let above = self.buckets.partition_point(|bucket| self.prefix(bucket) <= &*path);
        let mut next = above.checked_sub(1);
        let mut best: Option<&Rule> = None;
        while let Some((at, bucket)) = next.and_then(|at| Some((at, self.buckets.get(at)?))) {
            next = bucket.parent.map(|parent| parent as usize);
            let Some(rest) = path.strip_prefix(self.prefix(bucket)) else { continue };
            for rule in self.rules_of(at) {
                if best.is_some_and(|best| rule.rank() <= best.rank()) {
                    break;
                }
                if rule.pairs & !path_pairs != 0 {
                    continue;
                }
                let searched = if rule.is_literal() { 0 } else { rest.len() };
                let Some(left) = work_left.checked_sub(searched + RULE_WORK) else {
                    return Search::TooMuchWork;
                };
                work_left = left;
                if self.matches(rule, rest) {
                    best = Some(rule);
                    break;
                }
            }
        }
        best.map_or(Search::NotFound, Search::Found)
    }

    /// Returns every rule as a line, in the order of the file; what is made of these lines decides alike.
    pub(super) fn lines(&self) -> Vec<(bool, u32, Vec<u8>)> {
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        rules.sort_unstable_by_key(|rule| rule.start);
        let line = |rule: &Rule| {
            let mut value = slice(&self.texts, rule.start, rule.end).to_vec();
            value.extend(rule.anchored.then_some(b'$'));
            (rule.allow, rule.line, value)
        };
        rules.into_iter().map(line).collect()
    }

    fn rules_of(&self, bucket: usize) -> &[Rule] {
        let first = |at: usize| self.buckets.get(at).map_or(self.rules.len(), |bucket| bucket.first as usize);
        self.rules.get(first(bucket)..first(bucket + 1)).unwrap_or_default()
    }

    fn prefix(&self, bucket: &Bucket) -> &[u8] {
        let rule = self.rules.get(bucket.first as usize);
        rule.map_or(&[], |rule| slice(&self.texts, rule.start, rule.start + rule.prefix_len))
    }

    /// Whether a rule whose prefix begins the path matches the rest of it, in time linear in both.
    fn matches(&self, rule: &Rule, rest: &[u8]) -> bool {
        let mut pattern = slice(&self.texts, rule.start + rule.prefix_len, rule.end);
        if pattern.is_empty() {
            return !rule.anchored || rest.is_empty();
        }
        let mut rest = rest;
        // The pattern is now `*` and text, again and again. The leftmost place is best for each but an anchored last.
        while let Some((_, stretch)) = pattern.split_first() {
            let len = memchr::memchr(b'*', stretch).unwrap_or(stretch.len());
            let (literal, after) = stretch.split_at(len);
            pattern = after;
            if pattern.is_empty() && rule.anchored {
                return rest.ends_with(literal);
            }
            let Some(at) = memmem::find(rest, literal) else { return false };
            rest = rest.get(at + len..).unwrap_or_default();
        }
        true
    }
}

/// Appends the spelling of a line's pattern to the texts; `None` when the pattern can match no path.
fn compile(texts: &mut Vec<u8>, line: Line<'_>) -> Option<Rule> {
    if !matches!(line.value.first(), Some(b'/' | b'*')) {
        return None;
    }
    let (value, anchored) = line.value.strip_suffix(b"$").map_or((line.value, false), |value| (value, true));
    let start = texts.len();
    let mut prefix_len = None;
    for (index, stretch) in value.split(|octet| *octet == b'*').enumerate() {
        if index > 0 {
            prefix_len.get_or_insert(texts.len() - start);
            texts.push(b'*');
        }
        spelling::append(texts, stretch);
    }
    let prefix_len = prefix_len.unwrap_or(texts.len() - start);
    let behind = texts.get(start + prefix_len..).unwrap_or_default();
    let pairs = behind.split(|octet| *octet == b'*').map(pairs).fold(0, |all, some| all | some);
    let position = |at: usize| u32::try_from(at).ok();
    Some(Rule {
        allow: line.allow,
        line: line.number,
        anchored,
        start: position(start)?,
        end: position(texts.len())?,
        prefix_len: position(prefix_len)?,
        pairs,
    })
}

/// Returns the pairs of neighbouring octets of a text as a set of hashes: a text that holds another holds its set.
fn pairs(text: &[u8]) -> u128 {
    let hash = |one: u8, other: u8| (u32::from(one) << 8 | u32::from(other)).wrapping_mul(0x9E37_79B1) >> 25;
    text.iter().zip(text.iter().skip(1)).fold(0, |set, (one, other)| set | 1 << hash(*one, *other))
}

fn slice(texts: &[u8], start: u32, end: u32) -> &[u8] {
    texts.get(start as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules are written `+` for allow or `-` for disallow and the pattern; their line is their place, from 1.
    fn index(rules: &[&str]) -> RuleIndex {
        let lines = (1_u32..).zip(rules).map(|(number, rule)| {
            let (sign, value) = rule.split_at(1);
            Line { allow: sign == "+", value: value.as_bytes(), number }
        });
        RuleIndex::new(lines.collect())
    }

    fn found<'a>(index: &'a RuleIndex, path: &str) -> Option<&'a Rule> {
        match index.find(path) {
            Search::Found(rule) => Some(rule),
            Search::NotFound => None,
            Search::TooMuchWork => panic!("too much work for {path}"),
        }
    }

    fn check(rules: &[&str], path: &str, expected: Option<u32>) {
        assert_eq!(found(&index(rules), path).map(|rule| rule.line), expected, "{path} by {rules:?}");
    }

    #[test]
    fn the_longest_match_decides_and_allow_wins_a_tie() {
        check(&[], "/", None);
        check(&["-/a"], "/", None);
        check(&["-/", "+/a", "-/a/b"], "/", Some(1));
        check(&["-/", "+/a", "-/a/b"], "/ab", Some(2));
        check(&["-/", "+/a", "-/a/b"], "/a/bc", Some(3));
        check(&["-/a", "+/a"], "/a", Some(2));
        check(&["+/page", "-/*.htm"], "/page.htm", Some(2));
        check(&["+/page", "-/*.ht"], "/page.htm", Some(1));
        check(&["+/p", "-/"], "/page", Some(1));
        check(&["+/$", "-/"], "/", Some(1));
        check(&["+/$", "-/"], "/x", Some(2));
        check(&["-/a", "-/a"], "/a", Some(1));
        // The wildcard stands in a bucket above, but is longer.
        check(&["+/a/b", "-/*/b/c"], "/a/b/c", Some(2));
        check(&["-*", "+/a"], "/b", Some(1));
    }

    #[test]
    fn stars_match_any_octets_and_a_dollar_the_end() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let rule = format!("-{pattern}");
            super::tests::check(&[&rule], path, expected.then_some(1));
        };
        check("/*.php$", "/a.php", true);
        check("/*.php$", "/a.php.php", true);
        check("/*.php$", "/a.php?b", false);
        check("/a*b*c", "/aXbYcZ", true);
        check("/a*b*c", "/acb", false);
        check("/a**c$", "/abc", true);
        check("/a*$", "/abc", true);
        check("/a*a$", "/a", false);
        check("/ab*bc$", "/abc", false);
        check("*/x", "/a/x", true);
        check("*", "/", true);
        check("*$", "/a", true);
        check("$", "/", false);
        check("/a$b", "/a$b", true);
        check("/a$$", "/a$", true);
        check("/a%24", "/a$", true);
        check("/a%2A", "/a*", true);
        check("/a%2A", "/ab", false);
        check("a", "/a", false);
        check("/ü", "/%c3%BC", true);
        check("/A", "/a", false);
    }

    #[test]
    fn the_index_finds_what_asking_every_rule_finds() {
        let mut chance = crate::chance::Chance::new(7);
        let alphabet = [b'/', b'a', b'b', b'*'];
        let mut word = |letters: usize| {
            let len = 1 + chance.below(6);
            let bound = u64::try_from(letters).unwrap();
            let letter = |at: u64| char::from(alphabet[usize::try_from(at).unwrap()]);
            (0..len)
                .map(|_| letter(chance.below(bound)))
                .fold(String::from("/"), |word, it| format!("{word}{it}"))
        };
        for round in 0..300 {
            let mut rules: Vec<String> = Vec::new();
            for at in 0..round % 40 {
                let (sign, end) = (if at % 3 == 0 { '+' } else { '-' }, if at % 5 == 0 { "$" } else { "" });
                rules.push(format!("{sign}{}{end}", word(4)));
            }
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            let together = index(&rules);
            for _ in 0..20 {
                let path = word(3);
                let alone = rules.iter().filter_map(|rule| Some(found(&index(&[rule]), &path)?.rank()));
                assert_eq!(found(&together, &path).map(Rule::rank), alone.max(), "{path} by {rules:?}");
            }
        }
    }

    #[test]
    fn a_path_meets_only_the_rules_whose_prefix_begins_it() {
        let rules: Vec<String> = (0..10_000).map(|at| format!("-/section-{at}/")).collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let index = index(&rules);
        assert_eq!(index.buckets.len(), 10_000);
        assert!(index.buckets.iter().all(|bucket| bucket.parent.is_none()));
        assert_eq!(found(&index, "/section-777/x").map(|rule| rule.line), Some(778));
        assert_eq!(index.find("/section-x/"), Search::NotFound);
    }

    #[test]
    fn many_stars_and_deep_prefixes_stay_cheap() {
        let hostile = format!("-/{}b", "*a".repeat(5_000));
        let path = format!("/{}", "a".repeat(8_000));
        check(&[&hostile], &path, None);
        let nested: Vec<String> = (1..2_000).map(|len| format!("-/{}", "a".repeat(len))).collect();
        let nested: Vec<&str> = nested.iter().map(String::as_str).collect();
        check(&nested, &path, Some(1_999));
    }

    #[test]
    fn wildcards_that_need_other_octets_cost_no_work() {
        let rules: Vec<String> = (0..40_000).map(|at| format!("-/*{at:05}")).collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let index = index(&rules);
        assert_eq!(index.find(&format!("/{}", "x".repeat(8_000))), Search::NotFound);
        assert_eq!(found(&index, "/a/b/c/12345/d").map(|rule| rule.line), Some(12_346));
    }

    #[test]
    fn a_file_made_to_be_expensive_is_not_asked_to_the_end() {
        let rules: Vec<String> = (1..=3_000).map(|len| format!("-/*{}b", "ba".repeat(len))).collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        assert_eq!(index(&rules).find(&format!("/{}", "baab".repeat(2_000))), Search::TooMuchWork);
    }
}
