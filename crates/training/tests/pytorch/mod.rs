use std::{env, path::PathBuf};

/// A Python with PyTorch and PEFT; `scripts/test` makes it.
pub(crate) fn python() -> PathBuf {
    let given = env::var_os("FACULTY_TEST_PYTORCH").unwrap_or_default();
    let path = PathBuf::from(given);
    assert!(
        path.is_file(),
        "FACULTY_TEST_PYTORCH must name a Python with PyTorch, and is {path:?}: run tests through scripts/test, or set it to what scripts/peers/setup prints",
    );
    path
}
