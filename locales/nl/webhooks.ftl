webhooks-title = Webhooks
webhooks-intro = Het portaal meldt uw programma's wanneer een opdracht eindigt of op een besluit wacht. Elk bericht is ondertekend.
webhooks-empty = Er wordt nog geen programma iets gemeld
webhooks-add = Adres toevoegen
webhooks-address = Adres
webhooks-address-hint = Een openbaar adres van uw programma dat met https:// begint. Het moet binnen 15 seconden antwoorden.
webhooks-address-wrong = Dit adres kan niet worden gebruikt. Alleen openbare webadressen op de gebruikelijke poorten krijgen berichten.
webhooks-too-many = Er zijn al { $most } adressen. Verwijder er eerst een.
webhooks-secret = Het geheim van dit adres
webhooks-secret-text = Hiermee controleert uw programma dat een bericht van ons komt. We tonen het één keer; vernieuw het als u het kwijt bent.
webhooks-rotate = Geheim vernieuwen
webhooks-rotate-ask = Het oude geheim telt nog 24 uur mee. Daarna geldt alleen het nieuwe.
webhooks-remove = Verwijderen
webhooks-remove-ask = Dit adres krijgt geen berichten meer, ook niet wat nog wacht.
webhooks-since = Toegevoegd door { $who }, { $when }
webhooks-nothing-yet = Er is nog niets gestuurd.
webhooks-last = Laatste bericht: { $outcome }, { $when }
webhooks-waiting =
    { $count ->
        [one] 1 bericht wacht; laatste antwoord: { $outcome }. Het wordt 12 uur lang opnieuw gestuurd.
       *[other] { $count } berichten wachten; laatste antwoord: { $outcome }. Ze worden 12 uur lang opnieuw gestuurd.
    }
flash-webhook-removed = Het adres is verwijderd.
event-webhooks-added = Webhook toegevoegd
event-webhooks-rotated = Geheim van een webhook vernieuwd
event-webhooks-removed = Webhook verwijderd
