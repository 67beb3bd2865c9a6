nav-complaints = Requests
layout-copyright = Copyright
layout-complaint = Request or complaint
privacy-5 = Are your data in a dataset, even if you have no account here? You can ask what is there about you, have it corrected or taken out, or object. You do not have to sign in for that.
privacy-6 = What you tell us in such a request is seen only by those who handle it. Half a year after the decision we delete it.

complaint-new-title = Request or complaint
complaint-new-intro = Is a text in our datasets about you, or is it your work? Tell us. You do not have to sign in.
complaint-expect = What you can expect
complaint-expect-receipt = You get a signed proof of receipt at once.
complaint-expect-month = You get an answer within a month. If it takes longer, we write you why.
complaint-expect-identity = If you ask about your own data, we have to know that it is you. Send no copy of your passport; we ask you how else it can be done.
complaint-expect-delete = When it is over we delete your name, your address and what you wrote.
complaint-kind-question = What is it about?
complaint-kind = Kind
complaint-kind-access = I want to know which data you have of me
complaint-kind-access-hint = Access, article 15 GDPR.
complaint-kind-rectification = What is there about me is wrong
complaint-kind-rectification-hint = Rectification, article 16 GDPR.
complaint-kind-erasure = Take out what is there about me
complaint-kind-erasure-hint = Erasure, article 17 GDPR.
complaint-kind-objection = I object to this use of my data
complaint-kind-objection-hint = Objection, article 21 GDPR.
complaint-kind-copyright = My work was used without my permission
complaint-kind-copyright-hint = Complaint of a right holder, or of who speaks for one.
complaint-capacity-question = For whom do you ask?
complaint-capacity = On behalf of
complaint-capacity-self = For myself
complaint-capacity-representative = For somebody else, with their authority
complaint-capacity-right-holder = As the holder of rights in a work
complaint-name = Name
complaint-email = E-mail address
complaint-email-hint = This is where we reach you. We use it for nothing else.
complaint-email-wrong = This is no e-mail address. Write it like name@example.org.
complaint-request = What do you ask?
complaint-request-hint = Write in your own words what is the matter and what we should do.
complaint-works = Which works or web addresses is it about?
complaint-works-hint = One a line: title, ISBN or address. A complaint about a work needs it.
complaint-terms = What should we search for?
complaint-terms-hint = Names as they are written, or a sentence of the work. One a line.
complaint-terms-wrong = At most { $most } lines, each of at most { $longest } characters.
complaint-evidence = Attachment
complaint-evidence-hint = At most { $most } MB. No copy of an identity document.
complaint-evidence-too-large = The attachment is larger than { $most } MB. Choose a smaller file.
complaint-send = Send the request
complaint-sent-before = This form was sent and received already. Open a new form to ask something else.
complaint-no-address = We cannot see where this request comes from. Try it over another connection.
complaint-too-many = { $most } requests came from your connection today already. Try again tomorrow.
complaint-field-wrong = The field { $field } is wrong: { $problem }

complaint-filed-title = We received your request
complaint-filed-intro = You get an answer by { $date }.
complaint-filed-keep = Keep this number and this code
complaint-filed-once = With number and code you read our answer later. You see the code only now: we do not keep it and cannot send it again.
complaint-number = Number
complaint-code = Code
complaint-receipt = Proof of receipt
complaint-receipt-text = The file holds what you wrote and our signature with date and time. With it you can show anybody that you asked this, also without us.
complaint-receipt-download = Download the proof
complaint-filed-next = What happens next?
complaint-filed-identity = Somebody of ours gets in touch with you, to be sure that it is you.
complaint-filed-follow = On this site you can see how far we are, and read our letters.
complaint-follow-open = See the request

copyright-title = Copyright
copyright-intro = We use texts with the permission of who holds the rights, or under a licence that allows it. Do you think it went differently with your work? Then we want to hear it.
copyright-contact = Point of contact for right holders
copyright-contact-text = Your complaint goes to our legal reviewers. They search all texts, decide within a month and write you why.
copyright-complain = Send a complaint
copyright-need = What we need
copyright-need-text = The title or the address of the work, and best a few sentences of it: with them we find the text in our datasets. Tell us as well why you are the right holder, or for whom you speak.
copyright-then = What happens then
copyright-then-1 = You get a signed proof of receipt at once.
copyright-then-2 = We search for the documents and find out under which permission or licence they are there.
copyright-then-3 = If your complaint is justified, we make a new version of the dataset without those documents. They stay out of later versions as well.
copyright-then-4 = You get a letter with the decision. A refusal was always looked at by two people.
copyright-person = Is it about your personal data?
copyright-person-text = For that there is the same form, with your rights under the GDPR.
copyright-person-link = Request about personal data

complaint-follow-title = Follow your request
complaint-follow-intro = Fill in the number and the code that you got when you sent the request.
complaint-follow-link = I sent a request before
complaint-follow-unknown = We know no request with this number and this code. Check both.
complaint-follow-lost = Lost the code? We do not have it either. Send a new request then, and name the old number.
complaint-number-hint = For example 2026-00012.
complaint-code-hint = Four groups of five letters and digits.
complaint-case = Request { $number }
complaint-letters = Letters
complaint-letters-none = There is no letter yet.
complaint-letter-read = Read the letter
complaint-letter-extension = Our answer takes longer
complaint-letter-decision = Our decision
complaint-letter-download = Download the letter
complaint-letter-back = Back to your request
complaint-letter-print = When you print this page, only the letter is printed.
complaint-sent = What you wrote
complaint-forgotten = The personal details of this request were deleted, because it was decided a while ago.
complaint-text-deleted = (deleted)

complaint-received = Received
complaint-due = Answer due
complaint-due-left = { $date } ({ $days ->
    [0] today
    [one] 1 day left
   *[other] { $days } days left
  })
complaint-due-over = { $date } ({ $days ->
    [one] 1 day late
   *[other] { $days } days late
  })
complaint-decided-on = Decided
complaint-overdue = late
complaint-status = Status
complaint-status-received = Received
complaint-status-handling = Being handled
complaint-status-prepared = Waits for a second decision
complaint-status-decided = Decided
complaint-outcome-granted = Granted
complaint-outcome-partly = Granted in part
complaint-outcome-refused = Refused

complaints-intro = Requests and complaints from outside that you handle or that are about your data, the most urgent first.
complaints-empty = There are no requests
complaints-empty-text = As soon as somebody sends the form, or a request touches your data, it is here.
complaints-open = Open
complaints-decided = Done
complaint-owner = Handled by
complaint-documents = Documents
complaint-who = Who asks
complaint-language = Language of the letters
complaint-language-nl = Dutch
complaint-language-en = English
complaint-request-hash = Fingerprint of the request
complaint-extended-on = Extended
complaint-take = Take it up
complaint-take-text = If you take the request, colleagues see that you handle it.
complaint-asked = What is asked
complaint-evidence-download = Download the attachment: { $name }
complaint-search = Which documents
complaint-search-terms = What we search for
complaint-search-hint = One name or phrase a line. Capitals and accents make no difference. With a * at its end the word may go on.
complaint-search-go = Search documents
complaint-hits-see = See the documents found
complaint-hits = Documents found
complaint-hits-count = { $count ->
    [0] Nothing found
    [one] 1 document found
   *[other] { $count } documents found
}
complaint-hits-none = No document with these words
complaint-hits-none-text = Try other spellings of the name, or a shorter piece of the sentence.
complaint-hits-terms = Choose other words
complaint-hits-text = Tick the documents that are really about this request. If it is granted, they go out of the dataset.
complaint-hits-next = More documents
complaint-hit-place = version { $version }, { $path }, line { $line }
complaint-hit-unused = Read by no job.
complaint-hit-used = { $jobs ->
    [one] 1 job was given leave to read this
   *[other] { $jobs } jobs were given leave to read this
  }. Models: { $models }
complaint-hit-gone = The text is no longer kept.
complaint-unindexed = { $count ->
    [one] 1 file cannot be searched yet. Search again later.
   *[other] { $count } files cannot be searched yet. Search again later.
}
complaint-mark = Keep the choice
complaint-mark-all = Tick all documents found
complaint-mark-all-text = Is every document found about this request, also on the next pages? Then you can tick them all at once, up to 5000.
complaint-marked = Ticked
complaint-marked-none = No document is ticked yet.
complaint-dataset = Dataset
complaint-institution = Institution
complaint-uses = Jobs and models that were given leave to read it
complaint-job = Job
complaint-model = Model
complaint-remarks = What institutions say of it
complaint-remark = Your remark
complaint-remark-hint = What should who decides know of these documents? Who asks does not get to read this.
complaint-remark-send = Send the remark
complaint-identity = Identity
complaint-identity-title = Who asks this?
complaint-identity-text = Make sure that they are who they say they are, and no more strictly than needed. Never keep a copy of an identity document.
complaint-identity-how = How was it found out?
complaint-identity-none = not found out yet
complaint-identity-known-email = Answer from an address that was known before
complaint-identity-called-back = Called back on a known number
complaint-identity-shown = Document shown, not copied
complaint-identity-electronic = Signed in electronically
complaint-identity-authority = Authority seen
complaint-identity-not-established = Cannot be found out
complaint-identity-note = Note
complaint-identity-note-hint = What you looked at, without numbers or other details of a document.
complaint-identity-save = Keep how it was found out
complaint-identity-first = First note who asks this. Without it you can only refuse.
complaint-decision = Decision
complaint-decide = Decide
complaint-decide-text = A full yes holds at once: the ticked documents go out of the dataset and the letter is written. A refusal, also in part, is looked at by a colleague first.
complaint-reason = Grounds
complaint-reason-hint = This goes into the letter word for word. Write it so that who asks understands it.
complaint-decide-do = Keep the decision
complaint-confirm = Agree with the decision
complaint-confirm-text = If you agree, the decision holds and the letter is written.
complaint-confirm-ask = The decision holds then and can no longer change.
complaint-send-back = Send back to who handles it
complaint-extend-title = More time needed?
complaint-extend-text = If the request is complex or there are many, the answer may come two months later. That can be done once, within the first month. Who asks gets a letter about it.
complaint-extension = Why does it take longer?
complaint-extension-hint = This goes into the letter.
complaint-extend = Extend the term
complaint-actions = What was done
complaint-action-waiting = { $documents ->
    [one] 1 document is being left out; version { $version } is being made.
   *[other] { $documents } documents are being left out; version { $version } is being made.
}
complaint-action-draft = { $documents ->
    [one] 1 document was left out of version { $version }, which waits to be submitted and reviewed.
   *[other] { $documents } documents were left out of version { $version }, which waits to be submitted and reviewed.
}
complaint-action-approved = { $documents ->
    [one] 1 document was left out. Version { $version } without it is approved.
   *[other] { $documents } documents were left out. Version { $version } without them is approved.
}
complaint-wrong-status = That is no longer possible: the request has moved to another state meanwhile. Reload the page.
complaint-no-more-time = The term can be extended once, and only while the first month runs.
complaint-changed = Something about this request changed meanwhile. Reload the page and look again.

flash-complaint-taken = You handle this request now.
flash-complaint-identified = Noted.
flash-complaint-extended = The term was extended and the letter is written.
flash-complaint-searched = All texts were searched.
flash-complaint-marked = Your choice was kept.
flash-complaint-decided = The decision holds and the letter is written.
flash-complaint-prepared = The decision is ready for a colleague.
flash-complaint-sent-back = The request is back with who handles it.
flash-complaint-remarked = Your remark was sent.

todo-take = Take it up
todo-complaint-take = { $overdue ->
    [yes] Late: nobody took up request { $number }; the answer was due on { $due }
   *[no] Request { $number } waits for somebody to handle it; answer due { $due }
}
todo-complaint-decide = { $overdue ->
    [yes] Late: request { $number } should have been answered on { $due }
   *[no] Request { $number }: decide by { $due }
}
todo-complaint-confirm = { $overdue ->
    [yes] Late: the decision on request { $number } waits for a second person; the answer was due on { $due }
   *[no] The decision on request { $number } waits for a second person; answer due { $due }
}
todo-complaint-remark = { $overdue ->
    [yes] Request { $number } touches documents of your institution; the answer is late
   *[no] Request { $number } touches documents of your institution; answer due { $due }
}

event-complaints-received = Request from outside received
event-complaints-taken = Request taken up
event-complaints-identified = Noted how it was found out who asks
event-complaints-extended = Term of a request extended
event-complaints-searched = Texts searched for a request
event-complaints-documents-marked = Documents of a request ticked
event-complaints-remarked = Remark of an institution on a request
event-complaints-decision-prepared = Decision on a request prepared
event-complaints-sent-back = Decision on a request sent back
event-complaints-decided = Request decided
event-complaints-personal-details-deleted = Personal details of a request deleted

letter-salutation = Dear { $name },
letter-about = On { $date } we received your request. Its number is { $number }. { $kind }
letter-kind-access = You want to know which data we have of you.
letter-kind-rectification = You write that data about you are wrong.
letter-kind-erasure = You ask us to take out data about you.
letter-kind-objection = You object to the use of your data.
letter-kind-copyright = You write that your work was used without your permission.
letter-outcome-granted = We agree with you: we do what you ask.
letter-outcome-partly = We do a part of what you ask.
letter-outcome-refused = We do not do what you ask. Two people looked at this decision.
letter-reason = The reason is:
letter-found-none = We searched all texts of our datasets. We found no document that your request is about.
letter-found = We searched all texts of our datasets. This is what we found:
letter-found-line = - { $title } ({ $institution }): { $documents ->
    [one] 1 document
   *[other] { $documents } documents
}
letter-unused = No model was trained with these texts.
letter-used = These texts were used for training. No model that exists today came out of it.
letter-used-models = These models were trained with these texts:
letter-access = The texts are used to train and test language models, by partners of GPT-NL. We got them from the institutions named above. The texts are kept as long as the permission of that institution holds. You can ask for correction or erasure, and you can object. We make no decisions about you on the ground of these texts.
letter-excluded = We make a new version of each dataset without these documents. If the same texts are handed in again later, we refuse them. We keep the old version as proof; once the new version is approved, no new training begins with the old one.
letter-models-remember = A model that was trained already does not forget a text by itself. That is why we name above what the texts were used for.
letter-extended = We need more time. You get our answer by { $date }.
letter-extended-reason = The reason is:
letter-appeal-authority = Do you disagree? Let us know. You can also complain to the Dutch data protection authority (autoriteitpersoonsgegevens.nl) or go to court.
letter-appeal-court = Do you disagree? Let us know. You can also go to court.
letter-follow = With number { $number } and your code you can read this letter on our site as well.
letter-closing = Kind regards,
    GPT-NL virtual faculty
complaint-mailed = sent by e-mail
complaint-mail-waits = is being sent by e-mail
complaint-mail-refused = e-mail refused; get in touch another way
event-complaints-reminded = Reminded of the term of a request
event-complaints-overdue = The answer to a request is late
notice-complaint-received-title = Request { $number } came in
notice-complaint-received-text = Somebody outside the portal sent a request or a complaint. Take it up.
notice-complaint-due-soon-title = Answer to request { $number } within a week
notice-complaint-due-soon-text = By { $due } there has to be an answer.
notice-complaint-due-today-title = Answer to request { $number } today
notice-complaint-due-today-text = Today, { $due }, is the last day for the answer.
notice-complaint-overdue-title = The answer to request { $number } is late
notice-complaint-overdue-text = By { $due } there had to be an answer. There is none yet.
