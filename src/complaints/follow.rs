//! Following a case with its number and code.

use super::{case::Case, code::FollowCode, error::ComplaintError, store};
use crate::db::Db;

/// What the person may see of their case.
pub(super) struct Followed {
    pub(super) case: Case,
    pub(super) letters: Vec<store::Letter>,
    pub(super) exclusions: Vec<store::Exclusion>,
}

/// The case of this number, where the code is the one that was shown.
///
/// # Errors
/// [`ComplaintError::NotFound`] where number or code are not; which of the two is not said.
pub(super) async fn follow(db: &Db, number: &str, code: &str) -> Result<Followed, ComplaintError> {
    let code = FollowCode::parse(code).ok_or(ComplaintError::NotFound)?;
    let number: String = number
        .trim()
        .chars()
        .take(30)
        .filter(|c| *c != '\0')
        .collect();
    let mut conn = db.read().await?;
    let case = store::find_by_code(&mut conn, &number, &code)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let letters = store::letters(&mut conn, case.id).await?;
    let exclusions = store::exclusions(&mut conn, case.id, None).await?;
    Ok(Followed {
        case,
        letters,
        exclusions,
    })
}
