use std::{env, path::PathBuf};

/// The demo base model, as `scripts/fetch-base-model` has put it.
pub(crate) fn path() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let (given, cache, home) = (
        env::var("FACULTY_TEST_BASE_MODEL"),
        env::var("FACULTY_CACHE"),
        env::var("HOME"),
    );
    let path = given.map(PathBuf::from).unwrap_or_else(|_| {
        let cache = cache
            .map(PathBuf::from)
            .unwrap_or_else(|_| PathBuf::from(home.unwrap()).join(".cache/virtual-faculty"));
        cache.join("SmolLM2-135M-Instruct.Q4_1.gguf")
    });
    assert!(
        path.is_file(),
        "{} is missing: run scripts/fetch-base-model, or set FACULTY_TEST_BASE_MODEL",
        path.display()
    );
    path
}
