contribution-all = Al uw datasets
contribution-title = Uw bijdrage
contribution-intro = Waar de data van uw instelling voor wordt gebruikt, door wie en sinds wanneer.
contribution-none = Uw instelling heeft nog geen data aangeleverd
contribution-none-hint = Zodra er een dataset is, ziet u hier waar die wordt gebruikt.
contribution-withdrawn = toestemming ingetrokken ({ $when })
contribution-permitted = mag gebruikt worden
contribution-undecided = nog geen toestemming, geregistreerd { $when }
contribution-unused = Nog nergens gebruikt.
contribution-see-withdrawal = Bekijk wat er na de intrekking van { $when } gebeurt
contribution-tokens = { $tokens } tokens gelezen in trainingen.
contribution-keys = { $keys ->
    [one] 1 sleutel kan een model gebruiken dat hiermee is gemaakt.
   *[other] { $keys } sleutels kunnen een model gebruiken dat hiermee is gemaakt.
}
contribution-uses = { $jobs ->
    [one] 1 opdracht
   *[other] { $jobs } opdrachten
  } en { $models ->
    [one] 1 model
   *[other] { $models } modellen
  } ermee.
contribution-see-uses = Bekijk welke
contribution-job-for = Opdracht: { $purpose }
contribution-job = Opdracht of model
contribution-by = Door
contribution-since = Sinds
contribution-state = Stand
withdrawal-open = Toestemming intrekken…
withdrawal-title = Toestemming intrekken
withdrawal-summary = Dit raakt { $jobs ->
    [one] 1 opdracht die nog loopt of wacht
   *[other] { $jobs } opdrachten die nog lopen of wachten
  }, { $models ->
    [one] 1 model
   *[other] { $models } modellen
  } en { $keys ->
    [one] 1 sleutel
   *[other] { $keys } sleutels
  }.
withdrawal-how-much = Wat trekt u in?
withdrawal-see = Gevolgen bekijken
withdrawal-what = Wat er gebeurt zodra u bevestigt
withdrawal-what-history = De geschiedenis blijft: u kunt later bewijzen wat er is gebeurd.
withdrawal-what-anew = U kunt later opnieuw toestemming geven, maar wat is verwijderd, komt niet terug.
withdrawal-siblings = { $count ->
    [one] Let op: versie { $versions } heeft dezelfde bestanden, of een deel daarvan. Die versie blijft bestaan.
   *[other] Let op: de versies { $versions } hebben dezelfde bestanden, of een deel daarvan. Die versies blijven bestaan.
  } Wilt u dat ook stoppen? Trek dan de toestemming voor de hele dataset in.
withdrawal-reason = Waarom trekt u de toestemming in?
withdrawal-reason-hint = Wie de data gebruikt, krijgt dit te lezen.
withdrawal-confirm = Toestemming intrekken
withdrawal-nothing = Er geldt geen toestemming die u kunt intrekken.
withdrawal-nothing-hint = Zij is al ingetrokken, of nooit gegeven.
withdrawal-needs-reason = Geef een reden op.
withdrawal-unknown-extent = Wat u wilt intrekken, is niet bekend.
withdrawal-nothing-to-decide = Over dit model hoeft hier niets te worden besloten, of dat is al gebeurd.
withdrawal-held-elsewhere = Een andere intrekking houdt dit model tegen. Neem eerst daarover een besluit.
withdrawal-changed = Wat dit raakt, is veranderd sinds u keek. Kijk de lijst opnieuw na en bevestig.
withdrawal-nothing-to-end = Dit is al gedaan.
withdrawal-decision-incomplete = Kies een model en een besluit, en geef een reden op.
extent-dataset = De hele dataset, voor alles
extent-version = Alleen versie { $number }
extent-layer = Alleen dit onderdeel: { $layer }
extent-permission = Eén toestemming van meerdere
extent-permission-hint = { $layer }, kenmerk { $id }
effect-what = Wat
effect-count = Aantal
effect-follows = Wat er gebeurt
effect-by-when = Wanneer
effect-by-whom = Door wie
effect-at-once = meteen
effect-before = uiterlijk { $day }
effect-by-portal = het portaal
effect-permissions = Toestemmingen
effect-permissions-follows = Eindigen. Nieuw gebruik wordt geweigerd, met deze reden.
effect-jobs = Opdrachten die wachten of lopen
effect-jobs-follows = Wie wacht, wordt geblokkeerd. Wie loopt, stopt voordat er nog een bestand wordt gelezen.
effect-models-keep = Modellen die hiermee zijn gemaakt
effect-models-keep-follows = Blijven in gebruik, met een zichtbare melding. Zo staat het in de afspraken.
effect-models-retrain = Modellen die hiermee zijn gemaakt
effect-models-retrain-follows = Mogen niet gebruikt worden tot er een besluit is. Een model vergeet niet wat het heeft geleerd.
effect-models-retire = Modellen die hiermee zijn gemaakt
effect-models-retire-follows = Gaan voorgoed uit gebruik. Zo staat het in de afspraken.
effect-served = Modellen die nu draaien
effect-served-follows = Stoppen en beantwoorden geen vragen meer.
effect-keys = Sleutels voor deze modellen
effect-keys-follows = De houder krijgt bericht en moet dat bevestigen.
effect-licensees = Licentiehouders van deze modellen
effect-licensees-follows = Krijgen bericht en moeten dat bevestigen.
effect-copies = Bestanden
effect-copies-follows = Worden verwijderd, met alle versies. U krijgt het bewijs.
effect-siblings = Andere versies met deze bestanden
effect-siblings-follows = Blijven bestaan. Zij mogen worden gebruikt zolang er toestemming voor is.
effect-documents = Openbare documenten over deze modellen
effect-documents-follows = Krijgen een nieuwe versie waarin dit staat.
withdrawal-page = Intrekking: { $title }
withdrawal-lead = { $extent }. Ingetrokken door { $name }, { $when }.
withdrawal-lead-revoked = { $extent }. Ingetrokken namens het platform door { $name }, { $when }.
withdrawal-of = Van
withdrawal-agreement = Afspraak over modellen
withdrawal-keys = Sleutels geraakt
withdrawal-keys-count = { $keys ->
    [one] 1 sleutel
   *[other] { $keys } sleutels
}
withdrawal-addresses = Leesadressen van daarvoor
withdrawal-addresses-end = { $addresses }; het laatste vervalt { $when }
withdrawal-addresses-ended = { $addresses }; het laatste verviel { $when }
withdrawal-curated = Uw dataset "{ $title }" is gemaakt met de data die is ingetrokken. De dataset mag niet meer worden gebruikt en de kopieën worden verwijderd. U ziet hier wat ermee gebeurt.
withdrawal-model-unnamed = Een model dat niet is vrijgegeven
withdrawal-delete-by = Kopieën weg vóór
consequence-keep = blijven, met melding
consequence-retrain = niet gebruiken tot besluit
consequence-retire = uit gebruik
withdrawal-copies = Kopieën van de data
withdrawal-copies-none = Er hoeft niets te worden verwijderd: een andere toestemming dekt de data nog.
withdrawal-copies-gone = { $gone } van { $all } kopieën aantoonbaar weg
withdrawal-first-copies = U ziet de eerste { $shown } van { $all } kopieën. Wat nog niet aantoonbaar weg is, staat bovenaan.
withdrawal-copy = Kopie
withdrawal-copy-versions = Verwijderde versies
withdrawal-copy-gone = weg, nagekeken { $when }
withdrawal-copy-problem = nog niet gelukt ({ $problem }); het wordt opnieuw geprobeerd
withdrawal-copy-waits = wordt verwijderd
withdrawal-copy-lost = niet aangetoond: de machine is er niet meer ({ $reason })
withdrawal-machine-gone = Is een machine er voorgoed niet meer?
withdrawal-machine-gone-text = De worker op de machine ruimt de eigen werkmappen op. Bestaan de machine en de schijven niet meer? Leg dat dan vast. Niemand wacht dan nog op het bewijs.
withdrawal-machine = Machine
withdrawal-machine-why = Wat is ermee gebeurd?
withdrawal-machine-why-hint = Bijvoorbeeld: schijven vernietigd, met het nummer van het certificaat. Wie de toestemming introk, leest dit.
withdrawal-machine-gone-button = Vastleggen dat hij er niet meer is
withdrawal-artifact = Wat een opdracht al geleerd had: { $name }
withdrawal-index = Woorden van { $path } in de zoekindex
withdrawal-work-folder = Werkmap van poging { $attempt }
withdrawal-jobs-none = Er waren geen opdrachten met deze data.
withdrawal-jobs-blocked = Wachtten en zijn geblokkeerd
withdrawal-jobs-asked-to-stop = Liepen en moesten stoppen
withdrawal-jobs-over = Waren al klaar
withdrawal-still-running = { $jobs ->
    [one] 1 is nog aan het stoppen
   *[other] { $jobs } zijn nog aan het stoppen
}
withdrawal-stopped = geen enkele loopt nog
withdrawal-models-none = Er was geen model met deze data gemaakt.
withdrawal-models-keep = De afspraken laten deze modellen in gebruik. Op hun pagina staat dat de data is ingetrokken.
withdrawal-models-retrain = Deze modellen mogen niet worden gebruikt tot het platform heeft besloten.
withdrawal-models-retire = Deze modellen zijn voorgoed uit gebruik.
withdrawal-first-models = U ziet de eerste { $shown } van { $all } modellen. Modellen die op een besluit wachten, staan bovenaan.
withdrawal-model-kept = blijft in gebruik, met melding
withdrawal-model-retired = uit gebruik
withdrawal-model-undecided = niet te gebruiken; wacht op een besluit
withdrawal-model-lifted = weer te gebruiken, besloten door { $name } { $when }: { $reason }
withdrawal-model-retired-by = uit gebruik, besloten door { $name } { $when }: { $reason }
withdrawal-decide = Besluiten over een model
withdrawal-decision = Besluit
withdrawal-decide-button = Besluit vastleggen
withdrawal-decision-reason = Waarom?
withdrawal-decision-reason-hint = Wie de toestemming introk, krijgt dit te lezen.
withdrawal-replaced-by = Het model dat opnieuw is gemaakt
withdrawal-replaced-by-hint = De naam, bijvoorbeeld ft:model:1. Alleen als een ander model ervoor in de plaats komt. Het portaal controleert dat in de herkomst niets van de ingetrokken data zit.
withdrawal-confirm-lift = Bevestig dat een model weer wordt gebruikt
withdrawal-confirm-lift-button = Bevestigen
withdrawal-lift-proposed = niet te gebruiken; { $name } stelt voor het weer te gebruiken ({ $reason }) en een juridisch beoordelaar moet dat bevestigen
withdrawal-model-replaced = Opnieuw gemaakt als { $model }.
withdrawal-replacement-unknown = Er is geen model met deze naam.
withdrawal-not-made-anew = Dit model kan er niet voor in de plaats komen. Het moet van dezelfde instelling zijn, na de intrekking zijn gemaakt, gebruikt mogen worden en niets van de ingetrokken data in de herkomst hebben.
model-decision-retire = Neem het uit gebruik. Het wordt niet opnieuw gemaakt.
model-decision-retrained = Neem het uit gebruik. Er is een ander model opnieuw gemaakt zonder deze data.
model-decision-lift = Stel voor het weer te gebruiken, omdat de afspraak met de rechthebbende dat toestaat. Een juridisch beoordelaar moet dit bevestigen.
withdrawal-duties = Wat nog moet gebeuren
withdrawal-duties-none = Er hoeft niets meer te gebeuren.
withdrawal-duty-done = gedaan, { $when }
withdrawal-duty-late = te laat; de beheerder heeft bericht
withdrawal-duty-open = moet nog
duty-purge = Alle kopieën verwijderen en nakijken
duty-decide-models = Besluiten over elk model
duty-update-documents = Openbare documenten bijwerken
withdrawal-documents-note = Welke documenten zijn bijgewerkt?
withdrawal-documents-note-hint = Noem het document en de versie.
withdrawal-documents-button = Vastleggen dat de documenten zijn bijgewerkt
withdrawal-notices = Wie bericht kreeg
withdrawal-notices-read = { $all ->
    [one] 1 bericht
   *[other] { $all } berichten
  }, { $read } bevestigd.
withdrawal-first-notices = U ziet de eerste { $shown } van { $all } berichten. Wat nog moet worden bevestigd, staat bovenaan.
withdrawal-notice-to = Aan
withdrawal-notice-what = Bericht
withdrawal-notice-read = gelezen, { $when }
withdrawal-notice-escalated = niet op tijd gelezen; { $when } doorgegeven aan de beheerders
withdrawal-notice-waits = te bevestigen vóór { $due }; { $mails } e-mails verstuurd
withdrawal-notice-told = bericht gegeven
withdrawal-notice-outside = Een licentiehouder
withdrawal-anew = Bedenkt u zich?
withdrawal-anew-text = Een intrekking blijft staan, maar u kunt opnieuw toestemming geven. Niet terug komen: bestanden die zijn verwijderd (u levert ze opnieuw aan als nieuwe versie), opdrachten die zijn gestopt en modellen die uit gebruik zijn.
withdrawal-anew-given = Er is daarna opnieuw toestemming gegeven.
withdrawal-give-anew = Opnieuw toestemming geven
flash-model-decided = Het besluit is vastgelegd. Wie de toestemming introk, krijgt bericht.
flash-lift-proposed = Voorgesteld. Een juridisch beoordelaar wordt gevraagd dit te bevestigen.
flash-machine-gone = Vastgelegd: de machine is er niet meer.
flash-documents-updated = Vastgelegd.
todo-see = Bekijken
todo-duty-purge = Kopieën van "{ $title }" zijn niet op tijd verwijderd (uiterlijk { $due })
todo-duty-decide-models = Besluit over de modellen met data van "{ $title }", uiterlijk { $due }
todo-duty-update-documents = Werk de openbare documenten bij na de intrekking van "{ $title }", uiterlijk { $due }
notice-data-used-title = Uw data wordt gebruikt: { $title }
notice-data-used-text = { $institution } gebruikt uw dataset "{ $title }" voor de opdracht "{ $job }", om het model { $model } bij te trainen. Dat mag, want uw instelling gaf toestemming. Wilt u dat niet meer? Dan kunt u de toestemming op deze pagina intrekken.
notice-data-used-new-title = Uw data wordt gebruikt: { $title }
notice-data-used-new-text = { $institution } gebruikt uw dataset "{ $title }" voor de opdracht "{ $job }", om een nieuw model te trainen vanaf niets. Dat mag, omdat uw instelling daarvoor toestemming gaf. Wilt u dit niet meer, dan kunt u de toestemming op deze pagina intrekken.
notice-withdrawal-institution-title = Toestemming ingetrokken: { $title }
notice-withdrawal-institution-text = Op { $day } is de toestemming voor "{ $title }" ingetrokken. De reden: { $reason }. Gestopte opdrachten van uw instelling: { $jobs }. Geraakte modellen: { $models } ({ $names }). { $consequence ->
    [keep] U mag deze modellen blijven gebruiken; op hun pagina staat een melding.
    [retire] Deze modellen zijn uit gebruik.
   *[retrain] Deze modellen mogen niet worden gebruikt tot het platform heeft besloten.
}
notice-withdrawal-requester-title = Uw opdracht is gestopt: { $names }
notice-withdrawal-requester-text = Op { $day } is de toestemming voor "{ $title }" ingetrokken. De reden: { $reason }. { $jobs ->
    [one] Uw opdracht "{ $names }" is gestopt
   *[other] { $jobs } van uw opdrachten zijn gestopt ({ $names })
}. U kunt een nieuwe opdracht aanvragen met andere data.
notice-withdrawal-derived-title = Toestemming ingetrokken voor de bron van: { $names }
notice-withdrawal-derived-text = Op { $day } is de toestemming voor "{ $title }" ingetrokken. De reden: { $reason }. Uw data ({ $names }) is daarmee gemaakt. De data mag niet meer worden gebruikt en de kopieën worden verwijderd.
notice-withdrawal-holder-title = Verandering voor uw sleutel: { $names }
notice-withdrawal-holder-text = Op { $day } is de toestemming voor "{ $title }" ingetrokken. Uw sleutels ({ $names }) geven toegang tot een model dat daarmee is gemaakt. { $consequence ->
    [keep] U mag dat model blijven gebruiken.
    [retire] Dat model is uit gebruik.
   *[retrain] Dat model mag niet worden gebruikt tot het platform heeft besloten.
}
notice-withdrawal-licensee-title = Verandering voor een model dat u hebt: { $names }
notice-withdrawal-licensee-text = Op { $day } is de toestemming voor "{ $title }" ingetrokken. Het model dat u onder licentie hebt ({ $names }) is daarmee gemaakt. De reden: { $reason }. { $consequence ->
    [keep] U mag het model blijven gebruiken.
    [retire] U mag het model niet meer gebruiken. Verwijder het.
   *[retrain] Gebruik het model niet tot u bericht krijgt van het platform.
}
notice-withdrawal-platform-title = Toestemming ingetrokken: { $title }
notice-withdrawal-platform-text = Op { $day } is de toestemming voor "{ $title }" ingetrokken. De reden: { $reason }. Gestopte opdrachten: { $jobs }. Geraakte modellen: { $models }, waarvan { $served } draaiden.
notice-withdrawal-revoked-title = Het platform trok toestemming in: { $title }
notice-withdrawal-revoked-text = Op { $day } heeft een juridisch beoordelaar van het platform de toestemming voor uw dataset "{ $title }" ingetrokken. De reden: { $reason }.
notice-model-decided-title = Besluit over een model met uw data: { $model }
notice-model-decided-text = Na de intrekking van "{ $title }" is besloten over het model { $model }. { $decision ->
    [lift] Het mag weer worden gebruikt.
    [retrained] Het is uit gebruik; er is een ander model opnieuw gemaakt zonder de data.
   *[retire] Het is uit gebruik.
} De reden: { $reason }.
notice-lift-proposed-title = Bevestig dat een model weer wordt gebruikt: { $model }
notice-lift-proposed-text = Na de intrekking van "{ $title }" stelt een beheerder voor het model { $model } weer te gebruiken. De reden: { $reason }. Een juridisch beoordelaar beslist of de afspraak met de rechthebbende dat toestaat.
notice-duty-overdue-title = Te laat na de intrekking van { $title }
notice-duty-overdue-text = Uiterlijk { $due } moest dit gebeuren: { $duty ->
    [purge] alle kopieën verwijderen
    [decide_models] over elk model besluiten
   *[update_documents] de openbare documenten bijwerken
}. Dat is niet gedaan.
event-permissions-withdrawn = Toestemming ingetrokken
event-permissions-revoked = Toestemming ingetrokken door het platform
event-models-marked = Model gemarkeerd: data ingetrokken
event-models-retired-after-withdrawal = Model uit gebruik na intrekking
event-models-quarantine-lifted = Model weer te gebruiken
event-models-replaced-after-withdrawal = Model uit gebruik na een intrekking, een ander is opnieuw gemaakt
event-models-lift-proposed = Voorgesteld een model weer te gebruiken
event-datasets-purged = Alle kopieën verwijderd en nagekeken
event-datasets-version-withdrawn = Versie ingetrokken: de bron ervan is ingetrokken
event-withdrawals-duty-done = Openbare documenten bijgewerkt
event-withdrawals-duty-overdue = Te laat met een vervolg
event-withdrawals-place-lost = Machine met kopieën verloren verklaard
