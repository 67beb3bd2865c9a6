contribution-all = All your datasets
contribution-title = Your contribution
contribution-intro = What your institution's data is used for, by whom and since when.
contribution-none = Your institution has not handed in data yet
contribution-none-hint = Once there is a dataset, you see here where it is used.
contribution-withdrawn = permission withdrawn ({ $when })
contribution-permitted = may be used
contribution-undecided = no permission yet, registered { $when }
contribution-unused = Not used anywhere yet.
contribution-see-withdrawal = See what follows the withdrawal of { $when }
contribution-tokens = { $tokens } tokens read in training.
contribution-keys = { $keys ->
    [one] 1 key can use a model made with it.
   *[other] { $keys } keys can use a model made with it.
}
contribution-uses = { $jobs ->
    [one] 1 job
   *[other] { $jobs } jobs
  } and { $models ->
    [one] 1 model
   *[other] { $models } models
  } with it.
contribution-see-uses = See which
contribution-job-for = Job to { $purpose }
contribution-job = Job or model
contribution-by = By
contribution-since = Since
contribution-state = State
withdrawal-open = Withdraw permission…
withdrawal-title = Withdraw permission
withdrawal-summary = This touches { $jobs ->
    [one] 1 job that still runs or waits
   *[other] { $jobs } jobs that still run or wait
  }, { $models ->
    [one] 1 model
   *[other] { $models } models
  } and { $keys ->
    [one] 1 key
   *[other] { $keys } keys
  }.
withdrawal-how-much = What do you withdraw?
withdrawal-see = See what follows
withdrawal-what = What happens when you confirm
withdrawal-what-history = History stays: you can prove later what happened.
withdrawal-what-anew = You can give permission again later, but what was deleted does not come back.
withdrawal-siblings = { $count ->
    [one] Note: version { $versions } has the same files, or some of them. That version stays.
   *[other] Note: versions { $versions } have the same files, or some of them. Those versions stay.
  } Do you want to stop that too? Then withdraw permission for the whole dataset.
withdrawal-reason = Why do you withdraw permission?
withdrawal-reason-hint = Whoever uses the data will read this.
withdrawal-confirm = Withdraw permission
withdrawal-nothing = There is no permission that you can withdraw.
withdrawal-nothing-hint = It was withdrawn before, or never given.
withdrawal-needs-reason = Give a reason.
withdrawal-unknown-extent = What you want to withdraw is not known.
withdrawal-nothing-to-decide = Nothing has to be decided about this model here, or it was decided before.
withdrawal-held-elsewhere = Another withdrawal keeps this model from use. Decide on that one first.
withdrawal-changed = What this touches has changed since you looked. Look at the list again and confirm.
withdrawal-nothing-to-end = This was done before.
withdrawal-decision-incomplete = Choose a model and a decision, and give a reason.
extent-dataset = The whole dataset, for everything
extent-version = Only version { $number }
extent-layer = Only this layer: { $layer }
extent-permission = One permission of several
extent-permission-hint = { $layer }, reference { $id }
effect-what = What
effect-count = Number
effect-follows = What happens
effect-by-when = When
effect-by-whom = By whom
effect-at-once = at once
effect-before = by { $day }
effect-by-portal = the portal
effect-permissions = Permissions
effect-permissions-follows = End. New use is refused, with this reason.
effect-jobs = Jobs that wait or run
effect-jobs-follows = Those that wait are blocked. Those that run stop before they read another file.
effect-models-keep = Models made with it
effect-models-keep-follows = Stay in use, with a visible notice. That is what the agreement says.
effect-models-retrain = Models made with it
effect-models-retrain-follows = May not be used until there is a decision. A model does not forget what it learned.
effect-models-retire = Models made with it
effect-models-retire-follows = Go out of use for good. That is what the agreement says.
effect-served = Models that run now
effect-served-follows = Stop and answer no more questions.
effect-keys = Keys for these models
effect-keys-follows = Their holders are told and must confirm that.
effect-licensees = Licensees of these models
effect-licensees-follows = Are told and must confirm that.
effect-copies = Files
effect-copies-follows = Are deleted, with all their versions. You get the proof.
effect-siblings = Other versions with these files
effect-siblings-follows = Stay. They may be used as long as there is permission for them.
effect-documents = Public documents about these models
effect-documents-follows = Get a new version that says so.
withdrawal-page = Withdrawal: { $title }
withdrawal-lead = { $extent }. Withdrawn by { $name }, { $when }.
withdrawal-lead-revoked = { $extent }. Revoked for the platform by { $name }, { $when }.
withdrawal-of = Of
withdrawal-agreement = Agreed about models
withdrawal-keys = Keys touched
withdrawal-keys-count = { $keys ->
    [one] 1 key
   *[other] { $keys } keys
}
withdrawal-addresses = Addresses for reading given before
withdrawal-addresses-end = { $addresses }; the last ends { $when }
withdrawal-addresses-ended = { $addresses }; the last ended { $when }
withdrawal-curated = Your dataset "{ $title }" was made from the data that was withdrawn. It may not be used any more and its copies are deleted. You see here what happens to it.
withdrawal-model-unnamed = A model that is not released
withdrawal-delete-by = Copies gone by
consequence-keep = stay, with a notice
consequence-retrain = no use until decided
consequence-retire = out of use
withdrawal-copies = Copies of the data
withdrawal-copies-none = Nothing has to be deleted: another permission still covers the data.
withdrawal-copies-gone = { $gone } of { $all } copies proven gone
withdrawal-first-copies = You see the first { $shown } of { $all } copies. What is not proven gone yet comes first.
withdrawal-copy = Copy
withdrawal-copy-versions = Deleted versions
withdrawal-copy-gone = gone, checked { $when }
withdrawal-copy-problem = not yet ({ $problem }); it is tried again
withdrawal-copy-waits = being deleted
withdrawal-copy-lost = not proven: the machine is gone ({ $reason })
withdrawal-machine-gone = Is a machine gone for good?
withdrawal-machine-gone-text = The worker on the machine removes its own work folders. If the machine and its disks no longer exist, say so. Nobody waits for the proof then.
withdrawal-machine = Machine
withdrawal-machine-why = What happened to it?
withdrawal-machine-why-hint = For example: disks destroyed, with the number of the certificate. Whoever withdrew permission reads this.
withdrawal-machine-gone-button = Record that it is gone
withdrawal-artifact = What a job had learnt so far: { $name }
withdrawal-index = Words of { $path } in the search index
withdrawal-work-folder = Work folder of attempt { $attempt }
withdrawal-jobs-none = There were no jobs with this data.
withdrawal-jobs-blocked = Waited and were blocked
withdrawal-jobs-asked-to-stop = Ran and had to stop
withdrawal-jobs-over = Were over
withdrawal-still-running = { $jobs ->
    [one] 1 is still stopping
   *[other] { $jobs } are still stopping
}
withdrawal-stopped = none runs any more
withdrawal-models-none = No model had been made with this data.
withdrawal-models-keep = The agreement keeps these models in use. Their pages say that the data was withdrawn.
withdrawal-models-retrain = These models may not be used until the platform has decided.
withdrawal-models-retire = These models are out of use for good.
withdrawal-first-models = You see the first { $shown } of { $all } models. Models that wait for a decision come first.
withdrawal-model-kept = stays in use, with a notice
withdrawal-model-retired = out of use
withdrawal-model-undecided = not to be used; waits for a decision
withdrawal-model-lifted = may be used again, decided by { $name } { $when }: { $reason }
withdrawal-model-retired-by = out of use, decided by { $name } { $when }: { $reason }
withdrawal-decide = Decide on a model
withdrawal-decision = Decision
withdrawal-decide-button = Record the decision
withdrawal-decision-reason = Why?
withdrawal-decision-reason-hint = Whoever withdrew permission will read this.
withdrawal-replaced-by = The model that was made again
withdrawal-replaced-by-hint = Its name, for example ft:model:1. Only where another model takes its place. The portal checks that it has none of the withdrawn data in its lineage.
withdrawal-confirm-lift = Confirm that a model is used again
withdrawal-confirm-lift-button = Confirm
withdrawal-lift-proposed = not to be used; { $name } proposes to use it again ({ $reason }) and a legal reviewer must confirm that
withdrawal-model-replaced = Made again as { $model }.
withdrawal-replacement-unknown = There is no model of this name.
withdrawal-not-made-anew = This model cannot take its place. It must be of the same institution, made after the withdrawal, not kept from use, and without the withdrawn data in its lineage.
model-decision-retire = Take it out of use. It is not made again.
model-decision-retrained = Take it out of use. Another model was made again without this data.
model-decision-lift = Propose to use it again, because the agreement with the right holder lets it. A legal reviewer must confirm this.
withdrawal-duties = What still has to be done
withdrawal-duties-none = Nothing more has to be done.
withdrawal-duty-done = done, { $when }
withdrawal-duty-late = late; the administrator was told
withdrawal-duty-open = to be done
duty-purge = Delete all copies and check it
duty-decide-models = Decide on each model
duty-update-documents = Update the public documents
withdrawal-documents-note = Which documents were updated?
withdrawal-documents-note-hint = Name the document and its version.
withdrawal-documents-button = Record that the documents were updated
withdrawal-notices = Who was told
withdrawal-notices-read = { $all ->
    [one] 1 notice
   *[other] { $all } notices
  }, { $read } confirmed.
withdrawal-first-notices = You see the first { $shown } of { $all } notices. What still has to be confirmed comes first.
withdrawal-notice-to = To
withdrawal-notice-what = Notice
withdrawal-notice-read = read, { $when }
withdrawal-notice-escalated = not read in time; passed on { $when } to the managers
withdrawal-notice-waits = to be confirmed by { $due }; { $mails } mails sent
withdrawal-notice-told = told
withdrawal-notice-outside = A licensee
withdrawal-anew = Changed your mind?
withdrawal-anew-text = A withdrawal stays on record, but you can give permission again. What does not come back: files that were deleted (you hand them in again as a new version), jobs that were stopped, and models that are out of use.
withdrawal-anew-given = Permission was given again after this.
withdrawal-give-anew = Give permission again
flash-model-decided = The decision was recorded. Whoever withdrew permission is told.
flash-lift-proposed = Proposed. A legal reviewer is asked to confirm it.
flash-machine-gone = Recorded: the machine is gone.
flash-documents-updated = Recorded.
todo-see = View
todo-duty-purge = Copies of "{ $title }" were not deleted in time (due { $due })
todo-duty-decide-models = Decide on the models with data of "{ $title }", by { $due }
todo-duty-update-documents = Update the public documents after the withdrawal of "{ $title }", by { $due }
notice-data-used-title = Your data is being used: { $title }
notice-data-used-text = { $institution } uses your dataset "{ $title }" for the job "{ $job }", to fine-tune the model { $model }. That is allowed, because your institution gave permission. If you no longer want this, you can withdraw permission on this page.
notice-data-used-new-title = Your data is being used: { $title }
notice-data-used-new-text = { $institution } uses your dataset "{ $title }" for the job "{ $job }", to train a new model from nothing. That is allowed, because your institution gave permission. If you no longer want this, you can withdraw permission on this page.
notice-withdrawal-institution-title = Permission withdrawn: { $title }
notice-withdrawal-institution-text = On { $day } permission for "{ $title }" was withdrawn. The reason: { $reason }. Jobs of your institution that were stopped: { $jobs }. Models touched: { $models } ({ $names }). { $consequence ->
    [keep] You may go on using these models; their pages carry a notice.
    [retire] These models are out of use.
   *[retrain] These models may not be used until the platform has decided.
}
notice-withdrawal-requester-title = Your job was stopped: { $names }
notice-withdrawal-requester-text = On { $day } permission for "{ $title }" was withdrawn. The reason: { $reason }. { $jobs ->
    [one] Your job "{ $names }" was stopped
   *[other] { $jobs } of your jobs were stopped ({ $names })
}. You can ask for a new job with other data.
notice-withdrawal-derived-title = Permission withdrawn for the source of: { $names }
notice-withdrawal-derived-text = On { $day } permission for "{ $title }" was withdrawn. The reason: { $reason }. Your data ({ $names }) was made from it. It may not be used any more and its copies are deleted.
notice-withdrawal-holder-title = A change for your key: { $names }
notice-withdrawal-holder-text = On { $day } permission for "{ $title }" was withdrawn. Your keys ({ $names }) give access to a model made with it. { $consequence ->
    [keep] You may go on using that model.
    [retire] That model is out of use.
   *[retrain] That model may not be used until the platform has decided.
}
notice-withdrawal-licensee-title = A change for a model that you hold: { $names }
notice-withdrawal-licensee-text = On { $day } permission for "{ $title }" was withdrawn. The model that you hold under licence ({ $names }) was made with it. The reason: { $reason }. { $consequence ->
    [keep] You may go on using the model.
    [retire] You may no longer use the model. Delete it.
   *[retrain] Do not use the model until you hear from the platform.
}
notice-withdrawal-platform-title = Permission withdrawn: { $title }
notice-withdrawal-platform-text = On { $day } permission for "{ $title }" was withdrawn. The reason: { $reason }. Jobs stopped: { $jobs }. Models touched: { $models }, of which { $served } were running.
notice-withdrawal-revoked-title = The platform revoked permission: { $title }
notice-withdrawal-revoked-text = On { $day } a legal reviewer of the platform revoked permission for your dataset "{ $title }". The reason: { $reason }.
notice-model-decided-title = Decision on a model with your data: { $model }
notice-model-decided-text = After the withdrawal of "{ $title }" a decision was made on the model { $model }. { $decision ->
    [lift] It may be used again.
    [retrained] It is out of use; another model was made again without the data.
   *[retire] It is out of use.
} The reason: { $reason }.
notice-lift-proposed-title = Confirm that a model is used again: { $model }
notice-lift-proposed-text = After the withdrawal of "{ $title }" an operator proposes to use the model { $model } again. The reason: { $reason }. A legal reviewer decides whether the agreement with the right holder lets it.
notice-duty-overdue-title = Late after the withdrawal of { $title }
notice-duty-overdue-text = By { $due } this had to be done: { $duty ->
    [purge] delete all copies
    [decide_models] decide on each model
   *[update_documents] update the public documents
}. It was not.
event-permissions-withdrawn = Permission withdrawn
event-permissions-revoked = Permission revoked by the platform
event-models-marked = Model marked: data withdrawn
event-models-retired-after-withdrawal = Model out of use after a withdrawal
event-models-quarantine-lifted = Model may be used again
event-models-replaced-after-withdrawal = Model out of use after a withdrawal, another was made again
event-models-lift-proposed = Proposed to use a model again
event-datasets-purged = All copies deleted and checked
event-datasets-version-withdrawn = Version withdrawn: what it was made from was withdrawn
event-withdrawals-duty-done = Public documents updated
event-withdrawals-duty-overdue = A follow-up is late
event-withdrawals-place-lost = Machine with copies declared gone
