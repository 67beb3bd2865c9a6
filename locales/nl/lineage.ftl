# Herkomst
event-jobs-read-mismatch = Opdracht: een bestand was niet zoals gecontroleerd
event-datasets-curated = Dataset bewerkt tot nieuwe versie
lineage-show = Herkomst en gevolgen bekijken
lineage-title = Herkomst en gevolgen
lineage-about = { $up ->
    [0] Niets kwam hiervoor
    [one] 1 stap kwam hiervoor
   *[other] { $up } stappen kwamen hiervoor
  }; { $down ->
    [0] hieruit kwam nog niets voort.
    [one] 1 kwam hieruit voort.
   *[other] { $down } kwamen hieruit voort.
  }
lineage-empty = Hier hangt nog niets aan vast
lineage-empty-text = Zodra een opdracht deze data echt heeft gelezen, ziet u hier wat eruit voortkwam.
lineage-picture = Wat waaruit voortkwam, van boven naar beneden
lineage-table-below = Onder de tekening staat hetzelfde als tabel.
lineage-legend-here = waar u nu bent
lineage-legend-open = kunt u openen
lineage-legend-other = van een andere instelling
lineage-legend-marked = data ingetrokken
lineage-cut = Er is meer dan hier is getekend.
lineage-more = Meer laten zien
lineage-table = Alles als tabel
lineage-where = Plaats
lineage-kind = Soort
lineage-name = Naam
lineage-owner = Instelling
lineage-status = Stand
lineage-when = Sinds
lineage-from = Komt uit
lineage-here = hier
lineage-before = ervoor
lineage-after = erna
lineage-marked = data ingetrokken
lineage-kind-dataset-version = Datasetversie
lineage-kind-curation-run = Bewerking
lineage-kind-job = Opdracht
lineage-kind-model = Model
lineage-kind-deployment = Ingebruikname
lineage-kind-key = Sleutel
lineage-run-curation = Data bewerkt
lineage-run-exclusion = Documenten weggelaten
lineage-some-deployment = een model in gebruik
lineage-some-key = een sleutel
lineage-serving-wanted = wordt gestart
lineage-serving-ready = beantwoordt vragen
lineage-serving-failed = starten is mislukt
lineage-serving-stopped = gestopt
lineage-export = Meenemen
lineage-export-text = Dezelfde gegevens voor programma's, in de W3C-standaard voor herkomst.
lineage-too-large = Deze herkomst is te groot om in één keer uit te voeren. Begin bij een stap die dichter bij is.
