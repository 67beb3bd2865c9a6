rights-title = What may be done with this data
rights-who-decides = The manager of { $institution } decides on this, and can take it back.
datasets-title = Datasets
datasets-intro = The datasets of your institution, and those of other partners once they are approved.
datasets-register = Register a dataset
datasets-empty = There are no datasets yet
datasets-empty-text = The datasets of your institution and the approved ones of other partners will be listed here.
datasets-nothing-found = Nothing found for ‘{ $q }’
datasets-nothing-found-text = Titles, descriptions and names of institutions are searched.
datasets-found-for = Found for ‘{ $q }’.
datasets-show-all = Show all datasets
datasets-older = Older datasets
datasets-field-title = Title
datasets-field-title-hint = As others will see the dataset, for example ‘Council minutes 1850–1920’.
datasets-field-description = Description
datasets-field-description-hint = What is in it, what was it made for, and what should people who work with it know?
datasets-form-intro = Say what it is and whose it is. The files come next. Until you submit the dataset you can change everything.
datasets-edit-title = Change the facts
datasets-edit = Change the facts
datasets-save = Save changes
datasets-status = State
datasets-institution = Institution
datasets-language = Language
datasets-language-invalid = Give the code of a language: two or three letters, such as nl or nds.
datasets-language-nl = Dutch
datasets-language-fy = Frisian
datasets-language-nds = Low Saxon
datasets-language-li = Limburgish
datasets-language-zea = Zeelandic
datasets-language-pap = Papiamento
datasets-language-af = Afrikaans
datasets-language-en = English
datasets-language-de = German
datasets-language-fr = French
datasets-language-mul = More than one language
datasets-licence = Licence
datasets-licence-hint = An SPDX id such as CC-BY-4.0, or ‘own agreement’ where something else was agreed.
datasets-licence-public-domain = public domain
datasets-licence-agreement = own agreement
datasets-source = Origin
datasets-source-hint = Where do the texts come from? For example a collection, a website or a system.
datasets-right-holder = Right holder
datasets-right-holder-hint = Who holds the rights in the texts. That need not be your institution.
datasets-personal-data = Personal data
datasets-personal-data-question = Are there personal data in it?
datasets-personal-data-no = No
datasets-personal-data-no-hint = Nothing in it identifies anybody.
datasets-personal-data-yes = Yes
datasets-personal-data-yes-hint = Name the legal basis below. Without a basis the dataset cannot be registered.
datasets-personal-data-basis = Legal basis for the personal data
datasets-personal-data-basis-hint = Only where there are personal data in it. For example: ‘GDPR article 6(1)(e), task in the public interest’.
datasets-personal-data-none = none
datasets-personal-data-basis-is = yes, basis: { $basis }
datasets-confidentiality = Confidentiality
datasets-confidentiality-public = Public
datasets-confidentiality-public-hint = Anybody may see the texts.
datasets-confidentiality-internal = For partners
datasets-confidentiality-internal-hint = The texts are for the partners of GPT-NL only.
datasets-confidentiality-confidential = Confidential
datasets-confidentiality-confidential-hint = Only those who need it for an agreed purpose.
datasets-version = Version
datasets-registered-at = Registered
datasets-submitted-at = Submitted
datasets-manifest = Fingerprint of the files
datasets-facts = Facts
datasets-field-wrong = The field { $field } is wrong: { $problem }
datasets-frozen = This dataset was submitted and can no longer change.
datasets-wrong-status = That is no longer possible: the dataset has moved to another state meanwhile. Reload the page.
datasets-no-files = There is no checked file yet. Add a file first.
datasets-files-unfinished = The file { $path } is not finished. Wait until it is checked, or remove it.

datasets-status-draft = Draft
datasets-status-submitted = In review
datasets-status-changes-requested = Returned
datasets-status-rejected = Rejected
datasets-status-approved = Approved
datasets-status-withdrawn = Withdrawn
datasets-now-draft = This dataset was not submitted yet. Only your institution and the reviewers see it.
datasets-now-submitted = The files are frozen. A data steward reviews the data, a legal reviewer reviews the rights.
datasets-now-changes-requested = A reviewer returned the dataset. Read the reason under Reviews, change the dataset and submit it again.
datasets-now-rejected = This dataset was rejected. The reason is under Reviews.
datasets-now-approved = This dataset was approved and every partner can see it.
datasets-now-withdrawn = This dataset was withdrawn and is no longer used for anything.

datasets-chain = Place in the chain
datasets-chain-dataset = Dataset
datasets-chain-permission = Permission
datasets-chain-job = Job
datasets-chain-model = Model
datasets-chain-given = given
datasets-chain-not-given = not given yet
datasets-chain-can-be-asked = can be requested
datasets-chain-later = comes next
datasets-give-permission = Give permission
datasets-withdraw = Withdraw permission…

datasets-files = Files
datasets-files-none = There are no files yet.
datasets-files-add = Add files
datasets-file-name = Name
datasets-file-size = Size
datasets-file-documents = Documents
datasets-file-characters = Characters
datasets-file-hash = SHA-256
datasets-file-remove = Remove
datasets-file-uploading = Being sent
datasets-file-verifying = Being checked
datasets-file-ready = Checked
datasets-file-rejected = Not accepted
datasets-file-aborted = Stopped
datasets-file-line = Line { $line }
datasets-file-more-lines = { $count ->
    [one] And 1 other line.
   *[other] And { $count } other lines.
}

datasets-submit-title = Submit
datasets-submit-text = Submitting freezes the files. Then a data steward and a legal reviewer look at the dataset.
datasets-submit = Submit the dataset
datasets-submit-ask = After this you cannot change anything, unless a reviewer returns the dataset.
datasets-submit-not-yet = Possible as soon as there is a file and all files are checked.

datasets-review = Review
datasets-reviews = Reviews
datasets-review-data = Review of the data
datasets-review-data-hint = Is the data what the description says, and of good quality?
datasets-review-legal = Review of the rights
datasets-review-legal-hint = Are licence, right holder and legal basis right, and may the data be used?
datasets-review-reason = Explanation
datasets-review-reason-hint = Needed where you return or reject the dataset. The submitter reads this.
datasets-review-reason-needed = Explain why you return or reject the dataset.
datasets-review-approve = Approve the dataset
datasets-review-return = Return with a reason
datasets-review-reject = Reject the dataset
datasets-review-done = This review was done already.
datasets-review-who = By
datasets-review-when = When
datasets-review-reason-given = Explanation
datasets-review-earlier = earlier submission
datasets-decision = Decision
datasets-decision-approved = Approved
datasets-decision-returned = Returned
datasets-decision-rejected = Rejected

flash-datasets-registered = The dataset is registered. Add the files now.
flash-datasets-described = The changes are saved.
flash-datasets-submitted = The dataset is submitted and waits for its reviews.
flash-datasets-reviewed = Your review is recorded. The dataset still waits for the other reviewer.
flash-datasets-approved = The dataset is approved and every partner can see it.
flash-datasets-returned = The dataset is returned.
flash-datasets-rejected = The dataset is rejected.

event-datasets-registered = Dataset registered
event-datasets-described = Facts of dataset changed
event-datasets-submitted = Dataset submitted
event-datasets-data-approved = Data approved
event-datasets-rights-approved = Rights approved
event-datasets-approved = Dataset approved
event-datasets-returned = Dataset returned
event-datasets-rejected = Dataset rejected

problem-truncated-or-altered = The bytes received are not the bytes that were announced. Send the file again.
problem-not-text = This is no text: byte { $offset } does not occur in text.
problem-other-kind = This is a { $kind } file, not text (byte { $offset }).
problem-utf16 = This is text in UTF-16 (byte { $offset }). Save the file as UTF-8.
problem-not-utf8 = This is not UTF-8: byte { $offset } does not fit. It is probably Latin-1 or Windows-1252. Save the file as UTF-8.
problem-csv-header = The first line must name the columns text, or prompt and completion, with commas between. It says: { $found }
problem-csv-open-quote = A quote in the record on line { $line } is never closed.
problem-no-documents = There is no text in it.
problem-bad-lines = { $count ->
    [one] One line is wrong.
   *[other] { $count } lines are wrong.
}
problem-line-not-json = no JSON (goes wrong at character { $column })
problem-line-unknown-shape = expected is an object with messages, with prompt and completion, or with text
problem-line-no-text = the field { $field } is missing, empty or no text
problem-line-unknown-role = the role { $role } is not system, user or assistant
problem-line-no-answer = there is no answer by assistant in it
problem-line-too-long = longer than { $most } KiB
problem-line-field-count = { $found ->
    [one] 1 field, but the first line names { $expected }
   *[other] { $found } fields, but the first line names { $expected }
}
problem-line-after-quote = there is text after the closing quote
datasets-review-not-assessed = There are personal data in this version and no signed privacy assessment that allows their use. Without it the version cannot be approved.
datasets-versions = Versions
datasets-version-since = Since
datasets-version-left-out = Left out
datasets-version-next = Next version
datasets-version-next-text = The next version begins with the files of this one. You can add files or take some out. It is reviewed afresh; until then this version holds.
datasets-version-begin = Begin the next version
datasets-version-open = A next version is being made already.
datasets-version-none-approved = No version was approved yet to begin with.
datasets-facts-relied-on = Licence, right holder, personal data and confidentiality were reviewed for an earlier version and cannot change here. Register a new dataset if they are different.
flash-datasets-version-begun = The next version has begun. Its files are being taken over.
event-datasets-version-begun = Next version begun
event-datasets-documents-excluded = Documents excluded
problem-excluded-documents = { $count ->
    [one] It holds one document that stays out of this dataset, after a request or complaint. Take it out and send the file again.
   *[other] It holds { $count } documents that stay out of this dataset, after a request or complaint. Take them out and send the file again.
}
problem-line-excluded = this document is excluded
