rights-title = Wat mag met deze data
rights-who-decides = De beheerder van { $institution } beslist hierover en kan daarop terugkomen.
datasets-title = Datasets
datasets-intro = De datasets van uw instelling, en die van andere partners zodra ze zijn goedgekeurd.
datasets-register = Dataset registreren
datasets-empty = Er zijn nog geen datasets
datasets-empty-text = U ziet hier straks de datasets van uw instelling en de goedgekeurde datasets van andere partners.
datasets-nothing-found = Niets gevonden voor ‘{ $q }’
datasets-nothing-found-text = Er wordt gezocht in titels, beschrijvingen en namen van instellingen.
datasets-found-for = Gevonden voor ‘{ $q }’.
datasets-show-all = Toon alle datasets
datasets-older = Oudere datasets
datasets-field-title = Titel
datasets-field-title-hint = Zoals anderen de dataset straks zien, bijvoorbeeld ‘Raadsnotulen 1850–1920’.
datasets-field-description = Beschrijving
datasets-field-description-hint = Wat staat erin, waar is het voor gemaakt, en wat moet iemand weten die ermee werkt?
datasets-form-intro = Zeg wat het is en van wie het is. De bestanden levert u daarna aan. Tot u de dataset indient, kunt u alles nog veranderen.
datasets-edit-title = Gegevens wijzigen
datasets-edit = Gegevens wijzigen
datasets-save = Wijzigingen opslaan
datasets-status = Staat
datasets-institution = Instelling
datasets-language = Taal
datasets-language-invalid = Geef de code van een taal: twee of drie letters, zoals nl of nds.
datasets-language-nl = Nederlands
datasets-language-fy = Fries
datasets-language-nds = Nedersaksisch
datasets-language-li = Limburgs
datasets-language-zea = Zeeuws
datasets-language-pap = Papiaments
datasets-language-af = Afrikaans
datasets-language-en = Engels
datasets-language-de = Duits
datasets-language-fr = Frans
datasets-language-mul = Meer dan één taal
datasets-licence = Licentie
datasets-licence-hint = Een SPDX-code zoals CC-BY-4.0, of ‘eigen afspraak’ als er iets anders is afgesproken.
datasets-licence-public-domain = publiek domein
datasets-licence-agreement = eigen afspraak
datasets-source = Herkomst
datasets-source-hint = Waar komen de teksten vandaan? Bijvoorbeeld een collectie, een website of een systeem.
datasets-right-holder = Rechthebbende
datasets-right-holder-hint = Wie de rechten op de teksten heeft. Dat hoeft niet uw instelling te zijn.
datasets-personal-data = Persoonsgegevens
datasets-personal-data-question = Staan er persoonsgegevens in?
datasets-personal-data-no = Nee
datasets-personal-data-no-hint = Er staat niets in waarmee iemand te herkennen is.
datasets-personal-data-yes = Ja
datasets-personal-data-yes-hint = Noem hieronder de grondslag. Zonder grondslag kan de dataset niet worden geregistreerd.
datasets-personal-data-basis = Grondslag voor de persoonsgegevens
datasets-personal-data-basis-hint = Alleen als er persoonsgegevens in staan. Bijvoorbeeld: ‘AVG artikel 6, lid 1, onder e (taak van algemeen belang)’.
datasets-personal-data-none = geen
datasets-personal-data-basis-is = ja, grondslag: { $basis }
datasets-confidentiality = Vertrouwelijkheid
datasets-confidentiality-public = Openbaar
datasets-confidentiality-public-hint = Iedereen mag de teksten zien.
datasets-confidentiality-internal = Voor partners
datasets-confidentiality-internal-hint = De teksten zijn alleen voor de partners van GPT-NL.
datasets-confidentiality-confidential = Vertrouwelijk
datasets-confidentiality-confidential-hint = Alleen wie het nodig heeft voor een afgesproken doel.
datasets-version = Versie
datasets-registered-at = Geregistreerd
datasets-submitted-at = Ingediend
datasets-manifest = Vingerafdruk van de bestanden
datasets-facts = Gegevens
datasets-field-wrong = Het veld { $field } klopt niet: { $problem }
datasets-frozen = Deze dataset is ingediend en kan niet meer veranderen.
datasets-wrong-status = Dat kan niet meer: de dataset is intussen in een andere staat. Laad de pagina opnieuw.
datasets-no-files = Er is nog geen gecontroleerd bestand. Voeg eerst een bestand toe.
datasets-files-unfinished = Het bestand { $path } is nog niet klaar. Wacht tot het gecontroleerd is, of verwijder het.

datasets-status-draft = Concept
datasets-status-submitted = In beoordeling
datasets-status-changes-requested = Teruggegeven
datasets-status-rejected = Afgewezen
datasets-status-approved = Goedgekeurd
datasets-status-withdrawn = Ingetrokken
datasets-now-draft = Deze dataset is nog niet ingediend. Alleen uw instelling en de beoordelaars zien hem.
datasets-now-submitted = De bestanden liggen vast. Een datasteward beoordeelt de data, een jurist beoordeelt de rechten.
datasets-now-changes-requested = Een beoordelaar heeft de dataset teruggegeven. Lees de reden bij Beoordelingen, pas de dataset aan en dien hem opnieuw in.
datasets-now-rejected = Deze dataset is afgewezen. De reden staat bij Beoordelingen.
datasets-now-approved = Deze dataset is goedgekeurd en zichtbaar voor alle partners.
datasets-now-withdrawn = Deze dataset is ingetrokken en wordt nergens meer voor gebruikt.

datasets-chain = Plaats in de keten
datasets-chain-dataset = Dataset
datasets-chain-permission = Toestemming
datasets-chain-job = Opdracht
datasets-chain-model = Model
datasets-chain-given = gegeven
datasets-chain-not-given = nog niet gegeven
datasets-chain-can-be-asked = kan worden aangevraagd
datasets-chain-later = komt hierna
datasets-give-permission = Toestemming geven
datasets-withdraw = Toestemming intrekken…

datasets-files = Bestanden
datasets-files-none = Er zijn nog geen bestanden.
datasets-files-add = Bestanden toevoegen
datasets-file-name = Naam
datasets-file-size = Omvang
datasets-file-documents = Documenten
datasets-file-characters = Tekens
datasets-file-hash = SHA-256
datasets-file-remove = Verwijder
datasets-file-uploading = Wordt verstuurd
datasets-file-verifying = Wordt gecontroleerd
datasets-file-ready = Gecontroleerd
datasets-file-rejected = Niet goed
datasets-file-aborted = Gestopt
datasets-file-line = Regel { $line }
datasets-file-more-lines = { $count ->
    [one] En nog 1 andere regel.
   *[other] En nog { $count } andere regels.
}

datasets-submit-title = Indienen
datasets-submit-text = Met indienen legt u de bestanden vast. Daarna beoordelen een datasteward en een jurist de dataset.
datasets-submit = Dataset indienen
datasets-submit-ask = Na het indienen kunt u niets meer veranderen, tenzij een beoordelaar de dataset teruggeeft.
datasets-submit-not-yet = Dit kan zodra er een bestand is en alle bestanden gecontroleerd zijn.

datasets-review = Beoordeling
datasets-reviews = Beoordelingen
datasets-review-data = Beoordeling van de data
datasets-review-data-hint = Is de data wat de beschrijving zegt, en van goede kwaliteit?
datasets-review-legal = Beoordeling van de rechten
datasets-review-legal-hint = Kloppen licentie, rechthebbende en grondslag, en mag de data gebruikt worden?
datasets-review-reason = Toelichting
datasets-review-reason-hint = Verplicht als u de dataset teruggeeft of afwijst. De indiener leest dit.
datasets-review-reason-needed = Leg uit waarom u de dataset teruggeeft of afwijst.
datasets-review-approve = Dataset goedkeuren
datasets-review-return = Teruggeven met reden
datasets-review-reject = Dataset afwijzen
datasets-review-done = Deze beoordeling is al gedaan.
datasets-review-who = Door
datasets-review-when = Wanneer
datasets-review-reason-given = Toelichting
datasets-review-earlier = eerdere indiening
datasets-decision = Oordeel
datasets-decision-approved = Goedgekeurd
datasets-decision-returned = Teruggegeven
datasets-decision-rejected = Afgewezen

flash-datasets-registered = De dataset is geregistreerd. Voeg nu de bestanden toe.
flash-datasets-described = De wijzigingen zijn opgeslagen.
flash-datasets-submitted = De dataset is ingediend en wacht op beoordeling.
flash-datasets-reviewed = Uw beoordeling is vastgelegd. De dataset wacht nog op de andere beoordelaar.
flash-datasets-approved = De dataset is goedgekeurd en zichtbaar voor alle partners.
flash-datasets-returned = De dataset is teruggegeven.
flash-datasets-rejected = De dataset is afgewezen.

event-datasets-registered = Dataset geregistreerd
event-datasets-described = Gegevens van dataset gewijzigd
event-datasets-submitted = Dataset ingediend
event-datasets-data-approved = Data goedgekeurd
event-datasets-rights-approved = Rechten goedgekeurd
event-datasets-approved = Dataset goedgekeurd
event-datasets-returned = Dataset teruggegeven
event-datasets-rejected = Dataset afgewezen

problem-truncated-or-altered = De ontvangen bytes zijn niet de bytes die waren aangekondigd. Verstuur het bestand opnieuw.
problem-not-text = Dit is geen tekst: op byte { $offset } staat iets dat niet in tekst voorkomt.
problem-other-kind = Dit is een { $kind }-bestand, geen tekst (byte { $offset }).
problem-utf16 = Dit is tekst in UTF-16 (byte { $offset }). Sla het bestand op als UTF-8.
problem-not-utf8 = Dit is geen UTF-8: byte { $offset } past niet. Waarschijnlijk is het Latin-1 of Windows-1252. Sla het bestand op als UTF-8.
problem-csv-header = De eerste regel moet de kolommen text, of prompt en completion noemen, met komma's ertussen. Er staat: { $found }
problem-csv-open-quote = Een aanhalingsteken in het record op regel { $line } wordt niet gesloten.
problem-no-documents = Er staat geen tekst in.
problem-bad-lines = { $count ->
    [one] Eén regel klopt niet.
   *[other] { $count } regels kloppen niet.
}
problem-line-not-json = geen JSON (gaat mis bij teken { $column })
problem-line-unknown-shape = verwacht wordt een object met messages, met prompt en completion, of met text
problem-line-no-text = het veld { $field } ontbreekt, is leeg of is geen tekst
problem-line-unknown-role = de rol { $role } is niet system, user of assistant
problem-line-no-answer = er staat geen antwoord van assistant in
problem-line-too-long = langer dan { $most } KiB
problem-line-field-count = { $found ->
    [one] 1 veld, maar de eerste regel noemt er { $expected }
   *[other] { $found } velden, maar de eerste regel noemt er { $expected }
}
problem-line-after-quote = na het sluitende aanhalingsteken staat nog tekst
datasets-review-not-assessed = Er staan persoonsgegevens in deze versie en er is geen ondertekende privacybeoordeling die het gebruik toestaat. Zonder die beoordeling kan de versie niet worden goedgekeurd.
datasets-versions = Versies
datasets-version-since = Sinds
datasets-version-left-out = Weggelaten
datasets-version-next = Volgende versie
datasets-version-next-text = De volgende versie begint met de bestanden van deze versie. U kunt er bestanden aan toevoegen of uit halen. Zij wordt opnieuw beoordeeld; tot dan blijft deze versie gelden.
datasets-version-begin = Volgende versie beginnen
datasets-version-open = Er wordt al aan een volgende versie gewerkt.
datasets-version-none-approved = Er is nog geen goedgekeurde versie om mee te beginnen.
datasets-facts-relied-on = Licentie, rechthebbende, persoonsgegevens en vertrouwelijkheid zijn al beoordeeld voor een eerdere versie en kunnen hier niet veranderen. Registreer een nieuwe dataset als ze anders zijn.
flash-datasets-version-begun = De volgende versie is begonnen. De bestanden worden nu overgenomen.
event-datasets-version-begun = Volgende versie begonnen
event-datasets-documents-excluded = Documenten uitgesloten
problem-excluded-documents = { $count ->
    [one] Er staat één document in dat uit deze dataset moet blijven, na een verzoek of klacht. Haal het weg en verstuur het bestand opnieuw.
   *[other] Er staan { $count } documenten in die uit deze dataset moeten blijven, na een verzoek of klacht. Haal ze weg en verstuur het bestand opnieuw.
}
problem-line-excluded = dit document is uitgesloten
