# Herkomst
event-jobs-read-mismatch = Opdracht: een bestand was niet zoals gecontroleerd
event-datasets-curated = Dataset bewerkt tot nieuwe versie
