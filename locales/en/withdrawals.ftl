contribution-title = Your contribution
contribution-intro = What your institution's data is used for, by whom and since when.
contribution-none = Your institution has not handed in any data yet
contribution-none-hint = As soon as there is a dataset, you see here where it is used.
contribution-withdrawn = permission withdrawn ({ $when })
contribution-permitted = may be used
contribution-undecided = no permission yet, registered { $when }
contribution-unused = Not used anywhere yet.
contribution-tokens = { $tokens } tokens read in training.
contribution-keys = { $keys ->
    [one] 1 key can use a model made with it.
   *[other] { $keys } keys can use a model made with it.
}
contribution-job = Job or model
contribution-by = By
contribution-since = Since
contribution-state = Status
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
withdrawal-what = What happens once you confirm
withdrawal-what-new = New use is refused at once, with this reason.
withdrawal-what-jobs = Jobs that wait are blocked. Jobs that run stop before they read another file.
withdrawal-what-models = Models made with this data are marked. A model does not forget what it learnt: a decision is due on each.
withdrawal-what-history = History stays: you can prove later what happened.
withdrawal-reason = Why do you withdraw the permission?
withdrawal-reason-hint = Whoever uses the data gets to read this.
withdrawal-confirm = Withdraw permission
withdrawal-nothing = No permission holds that you could withdraw.
withdrawal-needs-reason = Give a reason.
flash-permission-withdrawn = The permission has been withdrawn. Below you see what it touched.
event-permissions-withdrawn = Permission withdrawn
event-models-marked = Model marked: data withdrawn
