//! The places where jobs run, as the settings name them.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ComputeBackend, Local, PlaceRecipe, Resources,
    slurm::{Slurm, SlurmSettings},
};

/// One `[[compute.places]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputePlace {
    /// As people call it; kept with each attempt, so it stays.
    pub name: String,
    /// What is there.
    pub kind: PlaceKind,
    /// Where attempts have their folders: on a local disk, or on the file system that a cluster's machines share.
    pub state_dir: PathBuf,
    /// The training program there. Without it the one beside the portal's, which a cluster does not have.
    #[serde(default)]
    pub program: Option<PathBuf>,
    /// The portal's address as seen from there, where it is another than that for people.
    #[serde(default)]
    pub portal_url: Option<String>,
    /// Attempts that may be there at the same time, those that wait in its queue among them.
    #[serde(default = "one")]
    pub slots: usize,
    /// The longest that a job may run there, as a partition of a cluster has it; none: as long as a job may ask for.
    #[serde(default)]
    pub longest_seconds: Option<u32>,
    /// Where the machines stand: a country, `EU`, `EEA` or `world`. Without it where `training.location` says.
    #[serde(default)]
    pub location: Option<String>,
    /// What a job gets that asks for nothing.
    #[serde(default)]
    pub resources: Resources,
    /// What an hour of a GPU costs, in thousandths of an SBU.
    #[serde(default)]
    pub milli_sbu_per_gpu_hour: u64,
    /// What an hour of a core costs where no GPU is used, in thousandths of an SBU.
    #[serde(default)]
    pub milli_sbu_per_core_hour: u64,
    /// Power of one GPU under load.
    #[serde(default)]
    pub watts_per_gpu: u32,
    /// Power of one core under load.
    #[serde(default)]
    pub watts_per_core: u32,
    /// With `kind = "slurm"`.
    #[serde(default)]
    pub slurm: Option<SlurmSettings>,
    /// What computes there; without it the training program itself.
    #[serde(default)]
    pub recipe: Option<PlaceRecipe>,
}

fn one() -> usize {
    1
}

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceKind {
    /// This machine.
    Local,
    /// A Slurm cluster.
    Slurm,
}

/// What places need to know of the portal.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Its address; also tells its jobs on a cluster from those of another portal.
    pub portal: String,
    /// The name of this machine.
    pub machine: String,
    /// The training program on this machine.
    pub program: PathBuf,
}

/// A place, ready for use.
#[derive(Clone)]
pub struct Place {
    /// What it was opened with.
    pub settings: ComputePlace,
    /// What runs programs there.
    pub backend: Arc<dyn ComputeBackend>,
    id: String,
    program: PathBuf,
    portal_url: String,
}

/// All places; the first is where a job goes that names none.
#[derive(Clone)]
pub struct Places(Vec<Place>);

/// Settings that no place can be opened with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("compute.places: {}", problems.join("; "))]
pub struct PlaceError {
    /// A sentence each, with the name of its place.
    pub problems: Vec<String>,
}

impl Place {
    fn open(settings: &ComputePlace, surroundings: &Surroundings) -> Result<Self, Vec<String>> {
        let name = &settings.name;
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_name {
            return Err(vec!["name: small letters, digits and - only".to_owned()]);
        }
        if settings.slots == 0 {
            return Err(vec!["slots: needs at least 1".to_owned()]);
        }
        // A program runs once. On several machines each would take itself for the attempt.
        if settings.resources.nodes != 1 || settings.resources.cores == 0 {
            return Err(vec!["resources: one node and at least one core".to_owned()]);
        }
        let of_recipe = settings.recipe.as_ref();
        let problems = of_recipe.map_or(Vec::new(), |it| it.problems(&settings.resources));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut settings = settings.clone();
        let local_program = settings
            .program
            .clone()
            .unwrap_or_else(|| surroundings.program.clone());
        let (id, program, backend): (_, _, Arc<dyn ComputeBackend>) =
            match (settings.kind, settings.slurm.as_mut()) {
                (PlaceKind::Local, None) => {
                    settings.state_dir = std::path::absolute(&settings.state_dir)
                        .map_err(|error| vec![format!("state_dir: {error}")])?;
                    let backend = Arc::new(Local::new(&settings.state_dir));
                    // Another machine's processes cannot be seen from here, so each machine is a place of its own.
                    (
                        format!("{name}@{}", surroundings.machine),
                        local_program,
                        backend,
                    )
                }
                (PlaceKind::Slurm, Some(slurm)) => {
                    slurm.state_dir.clone_from(&settings.state_dir);
                    let program = settings
                        .program
                        .clone()
                        .filter(|program| program.is_absolute())
                        .ok_or_else(|| {
                            vec!["program: needs its absolute path on the cluster".to_owned()]
                        })?;
                    let backend = Arc::new(Slurm::open(slurm.clone(), &surroundings.portal)?);
                    (name.clone(), program, backend)
                }
                (PlaceKind::Local, Some(_)) => {
                    return Err(vec!["slurm: belongs to kind = \"slurm\"".to_owned()]);
                }
                (PlaceKind::Slurm, None) => {
                    return Err(vec![
                        "slurm: kind = \"slurm\" needs its settings".to_owned(),
                    ]);
                }
            };
        let portal_url = settings
            .portal_url
            .clone()
            .unwrap_or_else(|| surroundings.portal.clone());
        Ok(Self {
            settings,
            backend,
            id,
            program,
            portal_url,
        })
    }

    /// Its name, and its machine where it is one machine: whoever has the same sees the same programs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The training program, as seen there.
    #[must_use]
    pub fn program(&self) -> &PathBuf {
        &self.program
    }

    /// The portal's address, as seen there.
    #[must_use]
    pub fn portal_url(&self) -> &str {
        &self.portal_url
    }

    /// Where the program of `attempt` works, as seen there.
    #[must_use]
    pub fn work_dir(&self, attempt: Uuid) -> PathBuf {
        let folder = attempt.hyphenated().to_string();
        self.settings.state_dir.join(folder).join("work")
    }

    /// What programs there may keep for each other, as seen there.
    #[must_use]
    pub fn cache_dir(&self) -> PathBuf {
        self.settings.state_dir.join("cache")
    }
}

impl Places {
    /// Opens each place; nothing is asked of them yet.
    ///
    /// # Errors
    /// All that is wrong with the settings.
    pub fn open(
        settings: &[ComputePlace],
        surroundings: &Surroundings,
    ) -> Result<Self, PlaceError> {
        let mut places: Vec<Place> = Vec::new();
        let mut problems = Vec::new();
        for one in settings {
            match Place::open(one, surroundings) {
                Ok(place) if places.iter().any(|other| other.settings.name == one.name) => {
                    problems.push(format!(
                        "{}: there are two of that name",
                        place.settings.name
                    ));
                }
                Ok(place) => places.push(place),
                Err(found) => {
                    problems.extend(
                        found
                            .iter()
                            .map(|problem| format!("{}: {problem}", one.name)),
                    );
                }
            }
        }
        if places.is_empty() && problems.is_empty() {
            problems.push("there is none".to_owned());
        }
        if problems.is_empty() {
            Ok(Self(places))
        } else {
            Err(PlaceError { problems })
        }
    }

    /// In the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }

    /// The place with this [`id`](Place::id).
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Place> {
        self.0.iter().find(|place| place.id == id)
    }

    /// The place with this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Place> {
        self.0.iter().find(|place| place.settings.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            portal: "https://portal.example".to_owned(),
            machine: "here".to_owned(),
            program: PathBuf::from("/opt/faculty-training"),
        }
    }

    fn local() -> ComputePlace {
        serde_json::from_value(serde_json::json!({
            "name": "local", "kind": "local", "state_dir": "/var/lib/faculty",
        }))
        .unwrap()
    }

    fn cluster() -> ComputePlace {
        serde_json::from_value(serde_json::json!({
            "name": "cluster", "kind": "slurm", "state_dir": "/shared/faculty", "slots": 40,
            "program": "/shared/faculty-training", "portal_url": "https://inside.example",
            "resources": { "gpus": 1, "cores": 18 }, "milli_sbu_per_gpu_hour": 128_000,
            "slurm": {
                "transport": "ssh", "partition": "gpu", "gpu_kind": "a100", "modules": ["2024"],
                "ssh": { "host": "login", "known_hosts": "/etc/faculty/known_hosts" },
            },
        }))
        .unwrap()
    }

    #[test]
    fn places_are_opened_as_they_are_set() {
        let places = Places::open(&[local(), cluster()], &surroundings()).unwrap();
        let ids: Vec<&str> = places.iter().map(Place::id).collect();
        assert_eq!(ids, ["local@here", "cluster"]);
        let here = places.by_name("local").unwrap();
        assert_eq!(here.program(), &PathBuf::from("/opt/faculty-training"));
        assert_eq!(
            (here.portal_url(), here.backend.name()),
            ("https://portal.example", "local")
        );
        let there = places.by_id("cluster").unwrap();
        assert_eq!(
            (there.portal_url(), there.backend.name()),
            ("https://inside.example", "slurm")
        );
        let nil = "/shared/faculty/00000000-0000-0000-0000-000000000000/work";
        assert_eq!(there.work_dir(Uuid::nil()), PathBuf::from(nil));
        assert_eq!(there.settings.resources.nodes, 1);
    }

    #[test]
    fn what_cannot_be_is_said_for_each_place() {
        let no_program = ComputePlace {
            program: None,
            ..cluster()
        };
        let mut two_ways = cluster();
        two_ways.slurm.as_mut().unwrap().transport = crate::Transport::Cli;
        two_ways.slurm.as_mut().unwrap().partition = Some("a b\n#SBATCH --uid=0".to_owned());
        let half = ComputePlace {
            name: "Half".to_owned(),
            ..local()
        };
        let mut wide = local();
        wide.name = "wide".to_owned();
        wide.resources.nodes = 2;
        let error = Places::open(
            &[local(), local(), no_program, two_ways, half, wide],
            &surroundings(),
        );
        let problems = error.err().unwrap().problems;
        assert_eq!(
            problems,
            [
                "local: there are two of that name",
                "cluster: program: needs its absolute path on the cluster",
                "cluster: slurm.ssh: belongs to transport = \"ssh\", which needs it",
                "cluster: slurm: partition, account, qos, gpu_kind and modules are plain words",
                "Half: name: small letters, digits and - only",
                "wide: resources: one node and at least one core",
            ]
        );
        assert!(Places::open(&[], &surroundings()).is_err());
    }

    fn with_recipe(
        place: ComputePlace,
        change: impl FnOnce(&mut serde_json::Value),
    ) -> Result<ComputePlace, serde_json::Error> {
        let mut place = serde_json::to_value(place).unwrap();
        place["resources"]["cores"] = 4.into();
        place["recipe"] = serde_json::json!({
            "kind": "torchrun", "processes": 2, "strategy": "fsdp", "python": "/opt/torch/bin/python",
        });
        change(&mut place);
        serde_json::from_value(place)
    }

    #[test]
    fn a_place_may_name_a_recipe() {
        let place = with_recipe(local(), |_| {}).unwrap();
        let gpus = with_recipe(cluster(), |place| {
            place["resources"]["gpus"] = 2.into();
        });
        let places = Places::open(&[place, gpus.unwrap()], &surroundings()).unwrap();
        for name in ["local", "cluster"] {
            let settings = &places.by_name(name).unwrap().settings;
            assert_eq!(
                settings.recipe.as_ref().unwrap().recipe(),
                job_contract::Recipe::Torchrun {
                    processes: 2,
                    nodes: 1,
                    strategy: job_contract::Strategy::Fsdp
                }
            );
        }
        let unknown = with_recipe(local(), |place| place["recipe"]["gpus"] = 2.into());
        assert!(unknown.unwrap_err().to_string().contains("`gpus`"));
        let unnamed = with_recipe(local(), |place| place["recipe"]["strategy"] = "tp".into());
        assert!(unnamed.unwrap_err().to_string().contains("`ddp` or `fsdp`"));
    }

    #[test]
    fn a_recipe_that_cannot_work_is_refused_in_words() {
        let none = with_recipe(local(), |place| {
            place["recipe"]["processes"] = 0.into();
            place["recipe"]["python"] = "python3".into();
        });
        let crowded = with_recipe(cluster(), |place| {
            place["resources"]["gpus"] = 1.into();
            place["resources"]["cores"] = 1.into();
            place["recipe"]["nodes"] = 2.into();
        });
        let error = Places::open(&[none.unwrap(), crowded.unwrap()], &surroundings());
        assert_eq!(
            error.err().unwrap().problems,
            [
                "local: recipe.processes: needs at least 1",
                "local: recipe.python: needs its absolute path there",
                "cluster: recipe.nodes: is 1, since a job has one machine",
                "cluster: recipe.processes: is 2, and resources has 1 GPUs: one process for each",
                "cluster: recipe.processes: is 2, and resources has cores = 1: each process needs a core",
            ]
        );
    }
}
