# Lineage
event-jobs-read-mismatch = Job: a file was not as verified
event-datasets-curated = Dataset made into a new version
