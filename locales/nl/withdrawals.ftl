contribution-title = Uw bijdrage
contribution-intro = Waar de data van uw instelling voor wordt gebruikt, door wie en sinds wanneer.
contribution-none = Uw instelling heeft nog geen data aangeleverd
contribution-none-hint = Zodra er een dataset is, ziet u hier waar die wordt gebruikt.
contribution-withdrawn = toestemming ingetrokken ({ $when })
contribution-permitted = mag gebruikt worden
contribution-undecided = nog geen toestemming, geregistreerd { $when }
contribution-unused = Nog nergens gebruikt.
contribution-tokens = { $tokens } tokens gelezen in trainingen.
contribution-keys = { $keys ->
    [one] 1 sleutel kan een model gebruiken dat hiermee is gemaakt.
   *[other] { $keys } sleutels kunnen een model gebruiken dat hiermee is gemaakt.
}
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
withdrawal-what = Wat er gebeurt zodra u bevestigt
withdrawal-what-new = Nieuw gebruik wordt meteen geweigerd, met deze reden.
withdrawal-what-jobs = Opdrachten die wachten, worden geblokkeerd. Opdrachten die lopen, stoppen voordat zij nog een bestand lezen.
withdrawal-what-models = Modellen die met deze data zijn gemaakt, worden gemarkeerd. Een model vergeet niet wat het heeft geleerd: over elk model moet een besluit worden genomen.
withdrawal-what-history = De geschiedenis blijft: u kunt later bewijzen wat er is gebeurd.
withdrawal-reason = Waarom trekt u de toestemming in?
withdrawal-reason-hint = Wie de data gebruikt, krijgt dit te lezen.
withdrawal-confirm = Toestemming intrekken
withdrawal-nothing = Er geldt geen toestemming die u kunt intrekken.
withdrawal-needs-reason = Geef een reden op.
flash-permission-withdrawn = De toestemming is ingetrokken. Hieronder ziet u wat er is geraakt.
event-permissions-withdrawn = Toestemming ingetrokken
event-models-marked = Model gemarkeerd: data ingetrokken
