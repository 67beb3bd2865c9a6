//! How much is withdrawn, and what that comes to. Pure.

use std::str::FromStr;

use serde::Serialize;

use crate::{
    ids::{DatasetId, DatasetVersionId, PermissionId},
    permissions::{Layer, Standing, Territory},
};

/// What of a dataset's permissions is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    Dataset,
    /// One version, whatever permission covers it.
    Version(DatasetVersionId),
    /// All of one layer.
    Layer(Layer),
    /// One of several.
    Permission(PermissionId),
}

/// What a withdrawal would be of.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub dataset: DatasetId,
    pub extent: Extent,
    /// Where jobs run that have not begun: a permission that another covers there is not missed.
    pub location: Territory,
}

/// Words that name nothing that can be withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this names nothing that can be withdrawn")]
pub struct UnknownExtent;

/// `dataset`, `version:{id}`, `layer:{name}`, `permission:{id}`; nothing at all is `dataset`.
impl FromStr for Extent {
    type Err = UnknownExtent;

    fn from_str(text: &str) -> Result<Self, UnknownExtent> {
        if text.is_empty() || text == "dataset" {
            return Ok(Self::Dataset);
        }
        let (kind, name) = text.split_once(':').ok_or(UnknownExtent)?;
        match kind {
            "version" => name.parse().map(Self::Version).map_err(|_| UnknownExtent),
            "layer" => name.parse().map(Self::Layer).map_err(|_| UnknownExtent),
            "permission" => name
                .parse()
                .map(Self::Permission)
                .map_err(|_| UnknownExtent),
            _ => Err(UnknownExtent),
        }
    }
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dataset => f.write_str("dataset"),
            Self::Version(id) => write!(f, "version:{id}"),
            Self::Layer(layer) => write!(f, "layer:{}", layer.name()),
            Self::Permission(id) => write!(f, "permission:{id}"),
        }
    }
}

impl Extent {
    /// Whether it ends `permission`. Withdrawing a version ends the permissions of that version alone; those of
    /// all versions go on for the others.
    #[must_use]
    pub fn ends(self, permission: &Standing) -> bool {
        match self {
            Self::Dataset => true,
            Self::Version(version) => permission.version == Some(version),
            Self::Layer(layer) => permission.layer == layer,
            Self::Permission(id) => permission.id == id,
        }
    }
}

/// What the agreement says about models when permission is withdrawn; each is stricter than those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// They stay in use, marked.
    Keep,
    /// They are out of use until somebody decides whether they are made anew.
    Retrain,
    /// They are out of use for good.
    Retire,
}

impl Consequence {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Retrain, Self::Retire];

    /// The word in the database, in agreements and in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Retrain => "retrain",
            Self::Retire => "retire",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == text)
    }

    /// The strictest of what `permissions` say. One that says nothing wants a decision: nobody may conclude from
    /// silence that a model may stay.
    pub(super) fn strictest<'a>(permissions: impl Iterator<Item = &'a Standing>) -> Self {
        permissions
            .map(|permission| {
                permission
                    .on_withdrawal
                    .as_deref()
                    .and_then(Self::parse)
                    .unwrap_or(Self::Retrain)
            })
            .max()
            .unwrap_or(Self::Retrain)
    }
}

/// Whether nothing is left of a version in one of the layers that were touched: then no use can be allowed any
/// more, and its copies go.
pub(super) fn is_fallen(version: DatasetVersionId, extent: Extent, standing: &[Standing]) -> bool {
    if matches!(extent, Extent::Dataset) || extent == Extent::Version(version) {
        return true;
    }
    let speaks = |permission: &&Standing| permission.version.is_none_or(|one| one == version);
    let (ended, left): (Vec<&Standing>, Vec<&Standing>) = standing
        .iter()
        .filter(speaks)
        .partition(|permission| extent.ends(permission));
    ended
        .iter()
        .any(|gone| left.iter().all(|permission| permission.layer != gone.layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(layer: Layer, version: Option<DatasetVersionId>, says: Option<&str>) -> Standing {
        Standing {
            id: PermissionId::fresh(),
            layer,
            version,
            on_withdrawal: says.map(str::to_owned),
            delete_within_days: 30,
        }
    }

    #[test]
    fn extents_come_back_from_their_words() {
        for extent in [
            Extent::Dataset,
            Extent::Version(DatasetVersionId::fresh()),
            Extent::Layer(Layer::PersonalData),
            Extent::Permission(PermissionId::fresh()),
        ] {
            assert_eq!(extent.to_string().parse(), Ok(extent));
        }
        for wrong in ["all", "version:", "layer:x", "permission:1", "dataset:1"] {
            assert_eq!(wrong.parse::<Extent>(), Err(UnknownExtent), "{wrong}");
        }
    }

    #[test]
    fn the_strictest_permission_decides_and_silence_is_not_a_yes() {
        let [keep, retire, silent] =
            [Some("keep"), Some("retire"), None].map(|says| standing(Layer::Copyright, None, says));
        let of = |permissions: &[&Standing]| Consequence::strictest(permissions.iter().copied());
        assert_eq!(of(&[&keep]), Consequence::Keep);
        assert_eq!(of(&[&keep, &silent]), Consequence::Retrain);
        assert_eq!(of(&[&keep, &retire, &silent]), Consequence::Retire);
        assert_eq!(of(&[]), Consequence::Retrain);
    }

    #[test]
    fn a_version_falls_when_a_layer_has_nothing_left_for_it() {
        let (one, two) = (DatasetVersionId::fresh(), DatasetVersionId::fresh());
        let all = standing(Layer::Copyright, None, None);
        let own = standing(Layer::Copyright, Some(one), None);
        let personal = standing(Layer::PersonalData, None, None);
        let standing = [all.clone(), own.clone(), personal];
        assert!(is_fallen(one, Extent::Dataset, &standing));
        assert!(is_fallen(one, Extent::Version(one), &standing));
        assert!(!is_fallen(two, Extent::Version(one), &standing));
        let without_all = Extent::Permission(all.id);
        assert!(!is_fallen(one, without_all, &standing), "its own is left");
        assert!(is_fallen(two, without_all, &standing));
        assert!(!is_fallen(two, Extent::Permission(own.id), &standing));
        assert!(is_fallen(
            two,
            Extent::Layer(Layer::PersonalData),
            &standing
        ));
        assert!(!is_fallen(
            two,
            Extent::Layer(Layer::Confidentiality),
            &standing
        ));
    }
}
