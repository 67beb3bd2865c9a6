# Lineage
event-jobs-read-mismatch = Job: a file was not as verified
event-datasets-curated = Dataset made into a new version
lineage-show = See what it came from and what came of it
lineage-title = Lineage
lineage-about = { $up ->
    [0] Nothing came before this
    [one] 1 step came before this
   *[other] { $up } steps came before this
  }; { $down ->
    [0] nothing has come of it yet.
    [one] 1 came of it.
   *[other] { $down } came of it.
  }
lineage-empty = Nothing hangs on this yet
lineage-empty-text = As soon as a job has really read this data, you see here what came of it.
lineage-picture = What came out of what, from top to bottom
lineage-table-below = The same stands as a table below the picture.
lineage-legend-here = where you are
lineage-legend-open = you can open it
lineage-legend-other = of another institution
lineage-legend-marked = data withdrawn
lineage-cut = There is more than is drawn here.
lineage-more = Show more
lineage-table = All of it as a table
lineage-where = Place
lineage-kind = Kind
lineage-name = Name
lineage-owner = Institution
lineage-status = Status
lineage-when = Since
lineage-from = Came out of
lineage-here = here
lineage-before = before
lineage-after = after
lineage-marked = data withdrawn
lineage-kind-dataset-version = Dataset version
lineage-kind-curation-run = Curation
lineage-kind-job = Job
lineage-kind-model = Model
lineage-kind-deployment = Deployment
lineage-kind-key = Key
lineage-run-curation = Data curated
lineage-run-exclusion = Documents left out
lineage-some-deployment = a model in use
lineage-some-key = a key
lineage-serving-wanted = being started
lineage-serving-ready = answers questions
lineage-serving-failed = could not be started
lineage-serving-stopped = stopped
lineage-export = Take it with you
lineage-export-text = The same for programs, in the W3C's standard for provenance.
lineage-too-large = This lineage is too large to export at once. Start from a step that is nearer.
