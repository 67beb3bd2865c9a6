webhooks-title = Webhooks
webhooks-intro = The portal tells your programs when a fine-tuning job ends or waits for a decision. Every message is signed.
webhooks-empty = No program is told anything yet
webhooks-add = Add an address
webhooks-address = Address
webhooks-address-hint = A public address of your program, starting with https://. It must answer within 15 seconds.
webhooks-address-wrong = This address cannot be used. Only public addresses of the web on the usual ports are told.
webhooks-too-many = There are { $most } addresses already. Remove one first.
webhooks-secret = The secret of this address
webhooks-secret-text = With it your program checks that a message comes from us. We show it once; renew it if you lose it.
webhooks-rotate = Renew the secret
webhooks-rotate-ask = For 24 hours the secret of before also counts. After that only the new one does.
webhooks-remove = Remove
webhooks-remove-ask = This address is told nothing more, also not what still waits.
webhooks-since = Added by { $who }, { $when }
webhooks-nothing-yet = Nothing was sent yet.
webhooks-last = Last message: { $outcome }, { $when }
webhooks-waiting =
    { $count ->
        [one] 1 message waits; last answer: { $outcome }. It is sent again for 12 hours.
       *[other] { $count } messages wait; last answer: { $outcome }. They are sent again for 12 hours.
    }
flash-webhook-removed = The address is removed.
event-webhooks-added = Webhook added
event-webhooks-rotated = Secret of a webhook renewed
event-webhooks-removed = Webhook removed
