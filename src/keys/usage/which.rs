//! Which use is looked at, and how it is put together.

use chrono::NaiveDate;
use uuid::Uuid;

use crate::{ids::ApiKeyId, policy::Visibility};

/// What was used on some days by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which {
    /// Of which institutions.
    pub(super) visibility: Visibility,
    /// The first and the last day.
    pub(super) days: (NaiveDate, NaiveDate),
    pub(super) key: Option<ApiKeyId>,
    /// What counted for this project when it was used.
    pub(super) project: Option<Uuid>,
}

/// What use is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    Institution,
    Project,
    Key,
    Model,
}

impl Grouping {
    pub(super) const ALL: [Self; 4] = [Self::Institution, Self::Project, Self::Key, Self::Model];

    /// The word in the API and in the query of sums.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Institution => "institution",
            Self::Project => "project",
            Self::Key => "key",
            Self::Model => "model",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == text)
    }
}

/// Where a list of rows goes on: behind the row of this day, key, model and project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) day: NaiveDate,
    pub(super) key: Uuid,
    pub(super) model: Uuid,
    pub(super) project: Option<Uuid>,
}

impl Place {
    /// As programs send it back.
    pub(super) fn text(&self) -> String {
        let project = self.project.unwrap_or_default();
        format!("{}_{}_{}_{project}", self.day, self.key, self.model)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let place = Self {
            day: parts.next()?.parse().ok()?,
            key: parts.next()?.parse().ok()?,
            model: parts.next()?.parse().ok()?,
            project: Some(parts.next()?.parse().ok()?).filter(|id: &Uuid| !id.is_nil()),
        };
        parts.next().is_none().then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        for project in [None, Some(Uuid::now_v7())] {
            let place = Place {
                day: "2026-11-28".parse().unwrap(),
                key: Uuid::now_v7(),
                model: Uuid::now_v7(),
                project,
            };
            assert_eq!(Place::parse(&place.text()), Some(place));
        }
        for wrong in ["", "2026-11-28", "2026-11-28_x_y_z", "gisteren"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_come_back() {
        for grouping in Grouping::ALL {
            assert_eq!(Grouping::parse(grouping.name()), Some(grouping));
        }
        assert_eq!(Grouping::parse("day"), None);
    }
}
