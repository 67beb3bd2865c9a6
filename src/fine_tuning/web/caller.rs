//! Who calls: the person who requested the key, with the roles that they hold now.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use openai_api::ApiError;

use crate::{
    accounts,
    db::Db,
    gateway::{Caller, Failure, request_id},
    keys::Holder,
    policy::Actor,
};

/// A program with a key that may tune.
pub(super) struct Tuner {
    pub(super) holder: Holder,
    pub(super) actor: Actor,
}

impl FromRequest for Tuner {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Failure>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let holder = caller.await?.0.holder.clone();
            if !holder.may_fine_tune {
                return Err(ApiError::permission_denied(
                    "key_not_for_fine_tuning",
                    "This key is for asking models only. Request one for fine-tuning in the portal.",
                )
                .into());
            }
            let Some(db) = request.app_data::<web::Data<Db>>() else {
                return Err(ApiError::internal(&request_id(&request).to_string()).into());
            };
            let mut conn = db.read().await?;
            let actor =
                accounts::actor_in(&mut conn, holder.requested_by, holder.institution, db.now())
                    .await?;
            Ok(Self { holder, actor })
        })
    }
}
