//! One mistake in a text: where it is told, what of it, and what would be right.

use alloc::format;

use super::fleet::told;

/// Whichever of both comes first.
#[test]
fn a_key_in_both_spellings_is_told_with_both() {
    for keys in ["name = 'x'\nid = 'y'\n", "id = 'y'\nname = 'x'\n"] {
        let text = format!("[[limit]]\n{keys}quota = '1/s'\n");
        let found = told(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = "[limit \"x\"] `name` is given twice (`id` and `name` are the same)";
        assert!(found[0].ends_with(expected), "{found:?}");
    }
}
