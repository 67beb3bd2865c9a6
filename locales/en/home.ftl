todo-waiting = Waiting for you
todo-nothing = Nothing waits for you
todo-nothing-hint = As soon as somebody needs something of you, it is here.
todo-next = Also useful
todo-no-role = You are signed in, but you have no role here yet. Ask your institution's manager for one.
todo-today = today
todo-days = { $days ->
    [one] 1 day
   *[other] { $days } days
}
todo-finish = Finish
todo-change = Change
todo-review = Review
todo-decide = Decide
todo-show = View
todo-dataset-submission = Finish "{ $title }" and submit the dataset
todo-dataset-changes = Changes to "{ $title }" were asked for
todo-dataset-data-review = Data review: "{ $title }"
todo-dataset-legal-review = Legal review: "{ $title }"
todo-assessment-filling = Fill in the privacy assessment of "{ $title }"
todo-assessment-signing = Sign the privacy assessment of "{ $title }"
todo-rights-changed = Something changed at the source of "{ $title }"
todo-job-approval = Job "{ $title }" asks for compute
todo-key-approval = Key "{ $title }" asks for a decision
todo-key-reveal = Key "{ $title }" was granted; fetch it
next-register-dataset = Register a dataset
next-see-datasets = See datasets
next-see-contributions = See where your data is used
next-request-job = Request a job
next-request-key = Request a key
next-see-usage = See usage
next-see-jobs = See jobs
next-see-models = See models

institution-intro = Who does what at your institution. The manager can have roles changed.
institution-members = People and roles
institution-name = Name
institution-roles = Roles

accessibility-title = Accessibility
accessibility-1 = We build this service to WCAG 2.2, level AA. Every page works with the keyboard alone, without JavaScript and at 320 pixels wide.
accessibility-2 = There has been no independent audit yet. Until there is one, status C holds: the audit is planned.
accessibility-3 = Are you stuck somewhere? Tell your institution's manager; we will mend it.
privacy-title = Privacy
privacy-1 = Of whoever signs in we keep what SURFconext passes on: name, e-mail address, institution and an identifier by which we know you.
privacy-2 = What you do is in the audit log: who, what, when. That is needed to prove later that each step was allowed.
privacy-3 = We do not keep questions to models or their answers. We only count how many tokens were used.
privacy-4 = There are two cookies: one for your session and one for a short message. Nobody else looks on, so there is no cookie notice.
docs-title = Documentation
docs-1 = Registering a dataset: choose Datasets, then Register a dataset. You can add files later; uploading goes on where it was, also on another day.
docs-2 = Permission: your institution's manager says on the dataset's page what it may be used for, and can withdraw that.
docs-3 = A job: the request shows beforehand whether the answer is yes, and why. A model operator decides on the compute.
docs-4 = A key: the address is that of this site with /v1 behind it. Every program that uses the OpenAI SDK works with it.
docs-5 = Proof: each model has a signed proof of origin. With "faculty verify-receipt" you check it without us.
event-institutions-kept = Institution recorded
event-institutions-member-added = Role given
