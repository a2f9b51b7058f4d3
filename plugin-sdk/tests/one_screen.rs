//! The promise of the first page: a codec with six values and one command fits on one screen, test included.

const SOURCE: &str = include_str!("../examples/six_fields.rs");

#[test]
fn six_values_and_a_command_fit_on_one_screen() {
    assert!(SOURCE.lines().count() <= 60, "{} lines", SOURCE.lines().count());
}

#[test]
fn the_readme_shows_the_example_as_it_is() {
    let readme = include_str!("../README.md");
    assert!(readme.contains(SOURCE), "README.md and examples/six_fields.rs differ");
}
