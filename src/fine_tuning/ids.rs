//! Ids as the API writes them: a word, and a UUID without hyphens.

use openai_api::ApiError;
use uuid::Uuid;

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    File,
    /// The table of figures of a job: its id is the job's.
    Results,
    Upload,
    Part,
    Job,
    Event,
    Checkpoint,
    Organisation,
    /// An institution as the API's projects name it.
    Project,
    Permission,
}

impl Of {
    fn prefix(self) -> &'static str {
        match self {
            Self::File => "file-",
            Self::Results => "file-results-",
            Self::Upload => "upload_",
            Self::Part => "part_",
            Self::Job => "ftjob-",
            Self::Event => "ftevent-",
            Self::Checkpoint => "ftckpt_",
            Self::Organisation => "org-",
            Self::Project => "proj_",
            Self::Permission => "cp_",
        }
    }

    /// As it is written.
    pub(super) fn id(self, id: Uuid) -> String {
        format!("{}{}", self.prefix(), id.simple())
    }

    /// As it was written; none where it is another kind of id, or none.
    pub(super) fn parse(self, text: &str) -> Option<Uuid> {
        let rest = text.strip_prefix(self.prefix())?;
        (rest.len() == 32).then(|| Uuid::try_parse(rest).ok())?
    }

    /// 404 for one that is not there, or that the caller may not know of.
    pub(super) fn missing(self, text: &str) -> ApiError {
        let what = match self {
            Self::File | Self::Results => "file",
            Self::Upload => "upload",
            Self::Part => "part",
            Self::Job => "fine-tuning job",
            Self::Event => "event",
            Self::Checkpoint => "checkpoint",
            Self::Organisation => "organisation",
            Self::Project => "project",
            Self::Permission => "permission",
        };
        let shown: String = text.chars().take(100).collect();
        ApiError::not_found(format!(
            "No such {what}: {shown}, or you do not have access to it."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_and_those_of_others_do_not() {
        let id = Uuid::now_v7();
        for of in [
            Of::File,
            Of::Results,
            Of::Upload,
            Of::Part,
            Of::Job,
            Of::Event,
            Of::Checkpoint,
        ] {
            assert_eq!(of.parse(&of.id(id)), Some(id), "{of:?}");
        }
        assert_eq!(Of::File.parse(&Of::Results.id(id)), None);
        assert_eq!(Of::Job.parse(&Of::File.id(id)), None);
        assert_eq!(Of::File.parse("file-"), None);
        assert_eq!(Of::File.parse(&format!("file-{id}")), None);
    }
}
