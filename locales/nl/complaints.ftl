nav-complaints = Verzoeken
layout-copyright = Auteursrecht
layout-complaint = Verzoek of klacht
privacy-5 = Staan uw gegevens in een dataset, ook al hebt u hier geen account? U kunt vragen wat er over u staat, het laten verbeteren of weghalen, of bezwaar maken. U hoeft daarvoor niet in te loggen.
privacy-6 = Wat u bij zo'n verzoek opgeeft, ziet alleen wie het behandelt. Een half jaar na het besluit wissen wij het.

complaint-new-title = Verzoek of klacht
complaint-new-intro = Gaat een tekst in onze datasets over u, of is het uw werk? Vertel het ons. U hoeft niet in te loggen.
complaint-expect = Wat u mag verwachten
complaint-expect-receipt = U krijgt meteen een ondertekend bewijs van ontvangst.
complaint-expect-month = U krijgt binnen een maand antwoord. Duurt het langer, dan schrijven wij waarom.
complaint-expect-identity = Vraagt u om eigen gegevens, dan moeten wij weten dat u het bent. Stuur geen kopie van uw paspoort; wij vragen u hoe het anders kan.
complaint-expect-delete = Na afloop wissen wij uw naam, adres en wat u schreef.
complaint-kind-question = Waar gaat het om?
complaint-kind = Soort
complaint-kind-access = Ik wil weten welke gegevens u van mij hebt
complaint-kind-access-hint = Inzage, artikel 15 AVG.
complaint-kind-rectification = Wat er over mij staat, klopt niet
complaint-kind-rectification-hint = Rectificatie, artikel 16 AVG.
complaint-kind-erasure = Haal weg wat er over mij staat
complaint-kind-erasure-hint = Wissing, artikel 17 AVG.
complaint-kind-objection = Ik maak bezwaar tegen dit gebruik van mijn gegevens
complaint-kind-objection-hint = Bezwaar, artikel 21 AVG.
complaint-kind-copyright = Mijn werk is gebruikt zonder mijn toestemming
complaint-kind-copyright-hint = Klacht van een rechthebbende of wie namens die spreekt.
complaint-capacity-question = Voor wie vraagt u dit?
complaint-capacity = Namens
complaint-capacity-self = Voor mijzelf
complaint-capacity-representative = Voor iemand anders, met een machtiging
complaint-capacity-right-holder = Als rechthebbende op een werk
complaint-name = Naam
complaint-email = E-mailadres
complaint-email-hint = Hier bereiken wij u. Wij gebruiken het nergens anders voor.
complaint-email-wrong = Dit is geen e-mailadres. Schrijf het als naam@voorbeeld.nl.
complaint-request = Wat vraagt u?
complaint-request-hint = Schrijf in uw eigen woorden wat er aan de hand is en wat wij moeten doen.
complaint-works = Om welke werken of webadressen gaat het?
complaint-works-hint = Een per regel: titel, ISBN of adres. Bij een klacht over een werk is dit nodig.
complaint-terms = Waarnaar moeten wij zoeken?
complaint-terms-hint = Namen zoals ze geschreven worden, of een zin uit het werk. Een per regel.
complaint-terms-wrong = Hooguit { $most } regels, elk van hooguit { $longest } tekens.
complaint-evidence = Bijlage
complaint-evidence-hint = Hooguit { $most } MB. Geen kopie van een identiteitsbewijs.
complaint-evidence-too-large = De bijlage is groter dan { $most } MB. Kies een kleiner bestand.
complaint-send = Verzoek versturen
complaint-sent-before = Dit formulier is al verstuurd en ontvangen. Open een nieuw formulier als u nog iets wilt vragen.
complaint-no-address = Wij kunnen niet zien waar dit verzoek vandaan komt. Probeer het via een andere verbinding.
complaint-too-many = Er zijn vandaag al { $most } verzoeken van uw verbinding gekomen. Probeer het morgen opnieuw.
complaint-field-wrong = Het veld { $field } klopt niet: { $problem }

complaint-filed-title = Wij hebben uw verzoek ontvangen
complaint-filed-intro = U krijgt antwoord uiterlijk op { $date }.
complaint-filed-keep = Bewaar dit nummer en deze code
complaint-filed-once = Met nummer en code leest u later ons antwoord. De code ziet u alleen nu: wij bewaren hem niet en kunnen hem niet opnieuw sturen.
complaint-number = Nummer
complaint-code = Code
complaint-receipt = Bewijs van ontvangst
complaint-receipt-text = Het bestand bevat wat u schreef en onze ondertekening met datum en tijd. Daarmee kunt u aan iedereen laten zien dat u dit vroeg, ook zonder ons.
complaint-receipt-download = Bewijs downloaden
complaint-filed-next = Hoe gaat het verder?
complaint-filed-identity = Iemand van ons neemt contact met u op om zeker te weten dat u het bent.
complaint-filed-follow = Op deze site kunt u zien hoe ver wij zijn, en leest u onze brieven.
complaint-follow-open = Verzoek bekijken

copyright-title = Auteursrecht
copyright-intro = Wij gebruiken teksten met toestemming van wie de rechten heeft, of onder een licentie die het toestaat. Denkt u dat het bij uw werk anders is gegaan? Dan horen wij dat graag.
copyright-contact = Contactpunt voor rechthebbenden
copyright-contact-text = Uw klacht komt bij onze juridisch beoordelaars. Zij zoeken in alle teksten, beslissen binnen een maand en schrijven u waarom.
copyright-complain = Klacht indienen
copyright-need = Wat wij nodig hebben
copyright-need-text = De titel of het adres van het werk, en liefst een paar zinnen eruit: daarmee vinden wij de tekst in onze datasets. Vertel ook waarom u de rechthebbende bent, of voor wie u spreekt.
copyright-then = Wat er dan gebeurt
copyright-then-1 = U krijgt meteen een ondertekend bewijs van ontvangst.
copyright-then-2 = Wij zoeken de documenten en gaan na onder welke toestemming of licentie ze er staan.
copyright-then-3 = Is uw klacht terecht, dan maken wij een nieuwe versie van de dataset zonder die documenten. Ze blijven ook uit latere versies.
copyright-then-4 = U krijgt een brief met het besluit. Een afwijzing is altijd door twee mensen bekeken.
copyright-person = Gaat het om uw persoonsgegevens?
copyright-person-text = Daarvoor is er hetzelfde formulier, met uw rechten uit de AVG.
copyright-person-link = Verzoek over persoonsgegevens

complaint-follow-title = Uw verzoek volgen
complaint-follow-intro = Vul het nummer en de code in die u kreeg toen u het verzoek verstuurde.
complaint-follow-link = Ik heb al een verzoek gedaan
complaint-follow-unknown = Wij kennen geen verzoek met dit nummer en deze code. Controleer ze allebei.
complaint-follow-lost = Code kwijt? Wij hebben hem ook niet. Stuur dan een nieuw verzoek en noem het oude nummer.
complaint-number-hint = Bijvoorbeeld 2026-00012.
complaint-code-hint = Vier groepjes van vijf letters en cijfers.
complaint-case = Verzoek { $number }
complaint-letters = Brieven
complaint-letters-none = Er is nog geen brief.
complaint-letter-read = Brief lezen
complaint-letter-extension = Ons antwoord duurt langer
complaint-letter-decision = Ons besluit
complaint-letter-download = Brief downloaden
complaint-letter-back = Terug naar uw verzoek
complaint-letter-print = Bij afdrukken verschijnt alleen de brief.
complaint-sent = Wat u schreef
complaint-forgotten = De persoonlijke gegevens van dit verzoek zijn gewist, omdat het besluit al een tijd geleden is.
complaint-text-deleted = (gewist)

complaint-received = Ontvangen
complaint-due = Antwoord uiterlijk
complaint-due-left = { $date } ({ $days ->
    [0] vandaag
    [one] nog 1 dag
   *[other] nog { $days } dagen
  })
complaint-due-over = { $date } ({ $days ->
    [one] 1 dag te laat
   *[other] { $days } dagen te laat
  })
complaint-decided-on = Besloten
complaint-overdue = te laat
complaint-status = Status
complaint-status-received = Ontvangen
complaint-status-handling = In behandeling
complaint-status-prepared = Wacht op een tweede besluit
complaint-status-decided = Besloten
complaint-outcome-granted = Toegewezen
complaint-outcome-partly = Deels toegewezen
complaint-outcome-refused = Afgewezen

complaints-intro = Verzoeken en klachten van buiten die u behandelt of die over uw data gaan, met wat het eerst af moet bovenaan.
complaints-empty = Er zijn geen verzoeken
complaints-empty-text = Zodra iemand het formulier verstuurt, of een verzoek uw data raakt, staat het hier.
complaints-open = Open
complaints-decided = Afgehandeld
complaint-owner = Behandelaar
complaint-documents = Documenten
complaint-who = Wie het vraagt
complaint-language = Taal van de brieven
complaint-language-nl = Nederlands
complaint-language-en = Engels
complaint-request-hash = Vingerafdruk van het verzoek
complaint-extended-on = Verlengd
complaint-take = In behandeling nemen
complaint-take-text = Als u het verzoek neemt, staat u bij de vrager en collega's als behandelaar.
complaint-asked = Wat er gevraagd wordt
complaint-evidence-download = Bijlage downloaden: { $name }
complaint-search = Welke documenten
complaint-search-terms = Waar wij naar zoeken
complaint-search-hint = Een naam of zin per regel. Hoofdletters en accenten maken niet uit. Met een * aan het eind mag het woord doorlopen.
complaint-search-go = Documenten zoeken
complaint-hits-see = Gevonden documenten bekijken
complaint-hits = Gevonden documenten
complaint-hits-count = { $count ->
    [0] Niets gevonden
    [one] 1 document gevonden
   *[other] { $count } documenten gevonden
}
complaint-hits-none = Geen document met deze woorden
complaint-hits-none-text = Probeer andere schrijfwijzen van de naam, of een korter stuk van de zin.
complaint-hits-terms = Andere woorden kiezen
complaint-hits-text = Vink aan welke documenten echt over dit verzoek gaan. Bij een toewijzing gaan die uit de dataset.
complaint-hits-next = Volgende documenten
complaint-hit-place = versie { $version }, { $path }, regel { $line }
complaint-hit-unused = Door geen opdracht gelezen.
complaint-hit-used = { $jobs ->
    [one] 1 opdracht mocht dit lezen
   *[other] { $jobs } opdrachten mochten dit lezen
  }. Modellen: { $models }
complaint-hit-gone = De tekst is niet meer bewaard.
complaint-unindexed = { $count ->
    [one] 1 bestand is nog niet doorzoekbaar. Zoek straks opnieuw.
   *[other] { $count } bestanden zijn nog niet doorzoekbaar. Zoek straks opnieuw.
}
complaint-mark = Keuze bewaren
complaint-mark-all = Alle gevonden documenten aanvinken
complaint-mark-all-text = Gaat elk gevonden document over dit verzoek, ook op de volgende bladzijden? Dan kunt u ze in een keer aanvinken, tot 5000.
complaint-marked = Aangevinkt
complaint-marked-none = Er is nog geen document aangevinkt.
complaint-dataset = Dataset
complaint-institution = Instelling
complaint-uses = Opdrachten en modellen die het mochten lezen
complaint-job = Opdracht
complaint-model = Model
complaint-remarks = Wat instellingen ervan zeggen
complaint-remark = Uw opmerking
complaint-remark-hint = Wat moet wie beslist weten over deze documenten? De vrager krijgt dit niet te lezen.
complaint-remark-send = Opmerking versturen
complaint-identity = Identiteit
complaint-identity-title = Wie vraagt dit?
complaint-identity-text = Stel vast dat de vrager is wie die zegt te zijn, en niet strenger dan nodig. Bewaar nooit een kopie van een identiteitsbewijs.
complaint-identity-how = Hoe is het vastgesteld?
complaint-identity-none = nog niet vastgesteld
complaint-identity-known-email = Antwoord vanaf een adres dat al bekend was
complaint-identity-called-back = Teruggebeld op een bekend nummer
complaint-identity-shown = Document getoond, niet gekopieerd
complaint-identity-electronic = Elektronisch ingelogd
complaint-identity-authority = Machtiging gezien
complaint-identity-not-established = Niet vast te stellen
complaint-identity-note = Toelichting
complaint-identity-note-hint = Wat u bekeek, zonder nummers of andere gegevens van een document.
complaint-identity-save = Identiteit vastleggen
complaint-identity-first = Leg eerst vast wie dit vraagt. Zonder dat kunt u alleen afwijzen.
complaint-decision = Besluit
complaint-decide = Besluiten
complaint-decide-text = Een volledige toewijzing geldt meteen: de aangevinkte documenten gaan uit de dataset en de brief wordt geschreven. Een afwijzing, ook een gedeeltelijke, bekijkt eerst een collega.
complaint-reason = Motivering
complaint-reason-hint = Dit komt woordelijk in de brief. Schrijf het zo dat de vrager het begrijpt.
complaint-decide-do = Besluit vastleggen
complaint-confirm = Met het besluit instemmen
complaint-confirm-text = Stemt u in, dan geldt het besluit en wordt de brief geschreven.
complaint-confirm-ask = Het besluit geldt dan en kan niet meer veranderen.
complaint-send-back = Terugsturen naar de behandelaar
complaint-extend-title = Meer tijd nodig?
complaint-extend-text = Is het verzoek ingewikkeld of zijn het er veel, dan mag het antwoord twee maanden later komen. Dat kan een keer, binnen de eerste maand. De vrager krijgt er een brief over.
complaint-extension = Waarom duurt het langer?
complaint-extension-hint = Dit komt in de brief.
complaint-extend = Termijn verlengen
complaint-actions = Wat er is gedaan
complaint-action-waiting = { $documents ->
    [one] 1 document wordt weggelaten; versie { $version } wordt nu gemaakt.
   *[other] { $documents } documenten worden weggelaten; versie { $version } wordt nu gemaakt.
}
complaint-action-draft = { $documents ->
    [one] 1 document is weggelaten uit versie { $version }. Die wacht op indienen en beoordelen.
   *[other] { $documents } documenten zijn weggelaten uit versie { $version }. Die wacht op indienen en beoordelen.
}
complaint-action-approved = { $documents ->
    [one] 1 document is weggelaten. Versie { $version } zonder dat document is goedgekeurd.
   *[other] { $documents } documenten zijn weggelaten. Versie { $version } zonder die documenten is goedgekeurd.
}
complaint-wrong-status = Dat kan niet meer: het verzoek is intussen in een andere staat. Laad de pagina opnieuw.
complaint-no-more-time = Verlengen kan een keer, en alleen zolang de eerste maand loopt.
complaint-changed = Er is intussen iets veranderd aan dit verzoek. Laad de pagina opnieuw en kijk nog eens.

flash-complaint-taken = U behandelt dit verzoek nu.
flash-complaint-identified = Vastgelegd.
flash-complaint-extended = De termijn is verlengd en de brief is geschreven.
flash-complaint-searched = Gezocht in alle teksten.
flash-complaint-marked = Uw keuze is bewaard.
flash-complaint-decided = Het besluit geldt en de brief is geschreven.
flash-complaint-prepared = Het besluit ligt klaar voor een collega.
flash-complaint-sent-back = Het verzoek is terug bij de behandelaar.
flash-complaint-remarked = Uw opmerking is verstuurd.

todo-take = In behandeling nemen
todo-complaint-take = { $overdue ->
    [yes] Te laat: verzoek { $number } is nog door niemand opgepakt; antwoord moest er zijn op { $due }
   *[no] Verzoek { $number } wacht op een behandelaar; antwoord uiterlijk { $due }
}
todo-complaint-decide = { $overdue ->
    [yes] Te laat: verzoek { $number } had op { $due } beantwoord moeten zijn
   *[no] Verzoek { $number }: beslis uiterlijk { $due }
}
todo-complaint-confirm = { $overdue ->
    [yes] Te laat: het besluit op verzoek { $number } wacht op een tweede mens; antwoord moest er zijn op { $due }
   *[no] Het besluit op verzoek { $number } wacht op een tweede mens; antwoord uiterlijk { $due }
}
todo-complaint-remark = { $overdue ->
    [yes] Verzoek { $number } raakt documenten van uw instelling; het antwoord is te laat
   *[no] Verzoek { $number } raakt documenten van uw instelling; antwoord uiterlijk { $due }
}

event-complaints-received = Verzoek van buiten ontvangen
event-complaints-taken = Verzoek in behandeling genomen
event-complaints-identified = Identiteit van de vrager vastgelegd
event-complaints-extended = Termijn van een verzoek verlengd
event-complaints-searched = Gezocht in teksten voor een verzoek
event-complaints-documents-marked = Documenten van een verzoek aangevinkt
event-complaints-remarked = Opmerking van een instelling bij een verzoek
event-complaints-decision-prepared = Besluit op een verzoek klaargelegd
event-complaints-sent-back = Besluit op een verzoek teruggestuurd
event-complaints-decided = Besloten op een verzoek
event-complaints-personal-details-deleted = Persoonlijke gegevens van een verzoek gewist

letter-salutation = Beste { $name },
letter-about = Op { $date } kregen wij uw verzoek. Het nummer is { $number }. { $kind }
letter-kind-access = U wilt weten welke gegevens wij van u hebben.
letter-kind-rectification = U schrijft dat gegevens over u niet kloppen.
letter-kind-erasure = U vraagt ons gegevens over u weg te halen.
letter-kind-objection = U maakt bezwaar tegen het gebruik van uw gegevens.
letter-kind-copyright = U schrijft dat uw werk is gebruikt zonder uw toestemming.
letter-outcome-granted = Wij geven u gelijk: wij doen wat u vraagt.
letter-outcome-partly = Wij doen een deel van wat u vraagt.
letter-outcome-refused = Wij doen niet wat u vraagt. Dit besluit is door twee mensen bekeken.
letter-reason = De reden is:
letter-found-none = Wij hebben gezocht in alle teksten van onze datasets. Wij vonden geen document dat over uw verzoek gaat.
letter-found = Wij hebben gezocht in alle teksten van onze datasets. Dit vonden wij:
letter-found-line = - { $title } ({ $institution }): { $documents ->
    [one] 1 document
   *[other] { $documents } documenten
}
letter-unused = Er is geen model getraind met deze teksten.
letter-used = Deze teksten zijn gebruikt voor training. Daar is geen model uit gekomen dat nu bestaat.
letter-used-models = Met deze teksten zijn deze modellen getraind:
letter-access = De teksten worden gebruikt om taalmodellen te trainen en te toetsen, door partners van GPT-NL. Wij kregen ze van de instellingen die hierboven staan. De teksten blijven bewaard zolang de toestemming van die instelling loopt. U kunt vragen om verbetering of wissing, en u kunt bezwaar maken. Wij nemen geen besluiten over u op grond van deze teksten.
letter-excluded = Wij maken een nieuwe versie van elke dataset zonder deze documenten. Worden dezelfde teksten later opnieuw aangeleverd, dan weigeren wij ze. De oude versie bewaren wij als bewijs; zodra de nieuwe versie is goedgekeurd, begint er geen nieuwe training meer met de oude.
letter-models-remember = Een model dat al getraind is, vergeet een tekst niet vanzelf. Daarom noemen wij hierboven waarvoor de teksten zijn gebruikt.
letter-extended = Wij hebben meer tijd nodig. U krijgt ons antwoord uiterlijk op { $date }.
letter-extended-reason = De reden is:
letter-appeal-authority = Bent u het er niet mee eens? Laat het ons weten. U kunt ook een klacht indienen bij de Autoriteit Persoonsgegevens (autoriteitpersoonsgegevens.nl) of naar de rechter gaan.
letter-appeal-court = Bent u het er niet mee eens? Laat het ons weten. U kunt ook naar de rechter gaan.
letter-follow = Met nummer { $number } en uw code leest u deze brief ook op onze site.
letter-closing = Met vriendelijke groet,
    GPT-NL virtuele faculteit
complaint-mailed = per e-mail verstuurd
complaint-mail-waits = wordt per e-mail verstuurd
complaint-mail-refused = e-mail geweigerd; neem op een andere manier contact op
event-complaints-reminded = Aan de termijn van een verzoek herinnerd
event-complaints-overdue = Te laat met het antwoord op een verzoek
notice-complaint-received-title = Verzoek { $number } is binnengekomen
notice-complaint-received-text = Iemand buiten het portaal heeft een verzoek of klacht gestuurd. Neem die in behandeling.
notice-complaint-due-soon-title = Antwoord op verzoek { $number } binnen een week
notice-complaint-due-soon-text = Uiterlijk { $due } moet er antwoord zijn.
notice-complaint-due-today-title = Antwoord op verzoek { $number } vandaag
notice-complaint-due-today-text = Vandaag, { $due }, is de laatste dag voor het antwoord.
notice-complaint-overdue-title = Te laat met het antwoord op verzoek { $number }
notice-complaint-overdue-text = Uiterlijk { $due } moest er antwoord zijn. Dat is er nog niet.
