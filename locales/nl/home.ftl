todo-waiting = Wacht op u
todo-nothing = Niets wacht op u
todo-nothing-hint = Zodra iemand iets van u nodig heeft, staat het hier.
todo-next = Ook handig
todo-no-role = U bent ingelogd, maar u hebt hier nog geen rol. Vraag de beheerder van uw instelling om er een.
todo-today = vandaag
todo-days = { $days ->
    [one] 1 dag
   *[other] { $days } dagen
}
todo-finish = Afmaken
todo-change = Aanpassen
todo-review = Beoordelen
todo-decide = Beslissen
todo-show = Bekijken
todo-dataset-submission = Maak "{ $title }" af en dien de dataset in
todo-dataset-changes = Er is om aanpassing gevraagd van "{ $title }"
todo-dataset-data-review = Databeoordeling: "{ $title }"
todo-dataset-legal-review = Juridische toets: "{ $title }"
todo-assessment-filling = Vul de privacybeoordeling in van "{ $title }"
todo-assessment-signing = Onderteken de privacybeoordeling van "{ $title }"
todo-rights-changed = Aan de bron van "{ $title }" is iets veranderd
todo-job-approval = Opdracht "{ $title }" vraagt om rekenkracht
todo-key-approval = Sleutel "{ $title }" vraagt om een besluit
todo-key-reveal = Sleutel "{ $title }" is toegekend; haal hem op
next-register-dataset = Dataset registreren
next-see-datasets = Datasets bekijken
next-see-contributions = Zien waar uw data wordt gebruikt
next-request-job = Opdracht aanvragen
next-request-key = Sleutel aanvragen
next-see-usage = Verbruik bekijken
next-see-jobs = Opdrachten bekijken
next-see-models = Modellen bekijken

institution-intro = Wie wat doet bij uw instelling. De beheerder kan rollen laten aanpassen.
institution-members = Mensen en rollen
institution-name = Naam
institution-roles = Rollen

accessibility-title = Toegankelijkheid
accessibility-1 = Wij bouwen deze dienst volgens WCAG 2.2, niveau AA. Elke pagina werkt met alleen het toetsenbord, zonder JavaScript en op 320 pixels breed.
accessibility-2 = Er is nog geen onafhankelijk onderzoek gedaan. Tot dat er is, geldt status C: het onderzoek staat gepland.
accessibility-3 = Loopt u ergens vast? Laat het de beheerder van uw instelling weten; wij lossen het op.
privacy-title = Privacy
privacy-1 = Van wie inlogt, bewaren wij wat SURFconext meegeeft: naam, e-mailadres, instelling en een kenmerk waarmee wij u herkennen.
privacy-2 = Wat u doet, staat in het logboek: wie, wat, wanneer. Dat is nodig om later te kunnen bewijzen dat elke stap mocht.
privacy-3 = Vragen aan modellen en hun antwoorden bewaren wij niet. Wij tellen alleen hoeveel tokens zijn gebruikt.
privacy-4 = Er zijn twee cookies: een voor uw sessie en een voor een korte melding. Er kijkt niemand anders mee, dus er is geen cookiemelding.
docs-title = Documentatie
docs-1 = Een dataset registreren: kies Datasets, dan Dataset registreren. U kunt bestanden later toevoegen; uploaden gaat verder waar het was, ook op een andere dag.
docs-2 = Toestemming: de beheerder van uw instelling zegt op de pagina van de dataset waarvoor zij gebruikt mag worden, en kan dat intrekken.
docs-3 = Een opdracht: de aanvraag laat vooraf zien of het antwoord ja is, en waarom. Een modelbeheerder beslist over de rekenkracht.
docs-4 = Een sleutel: het adres is dat van deze site met /v1 erachter. Elk programma dat de OpenAI-SDK gebruikt, werkt ermee.
docs-5 = Bewijs: bij elk model hoort een ondertekend bewijs van herkomst. Met "faculty verify-receipt" controleert u het zonder ons.
event-institutions-kept = Instelling vastgelegd
event-institutions-member-added = Rol gegeven
