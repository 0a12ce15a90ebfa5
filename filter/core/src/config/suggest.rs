//! Suggestions for misspelt words.

/// Longer words than this are not compared: the cost grows with the product of the lengths.
const LONGEST: usize = 64;

/// The candidate nearest to `word`, if one is near enough to be worth naming.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let (candidate, distance) = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (candidate, distance(&word, &candidate.to_ascii_lowercase())))
        .min_by_key(|(_, distance)| *distance)?;
    (distance <= word.chars().count().div_ceil(3)).then_some(candidate)
}

/// Levenshtein's distance, one row at a time.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (removed, a) in left.chars().enumerate() {
        let (mut diagonal, mut beside) = (removed, removed + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = beside;
        }
        for (cell, b) in cells.zip(right.chars()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            beside = replaced.min(beside + 1).min(*cell + 1);
            *cell = beside;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        for (left, right, edits) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("scope", "scopes", 1),
            ("kitten", "sitting", 3),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
            assert_eq!(distance(right, left), edits, "{right} {left}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        let known = ["issuers", "delegation", "routes"];
        assert_eq!(nearest("issuer", known), Some("issuers"));
        assert_eq!(nearest("Routes", known), Some("routes"));
        assert_eq!(nearest("rotues", known), Some("routes"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(LONGEST + 1), known), None);
    }
}
