//! Everything that needs leave.

/// Everything that needs leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    RegisterDataset,
    ViewDataset,
    /// Change a draft and its files.
    EditDataset,
    SubmitDataset,
    ReviewData,
    ReviewRights,
    GivePermission,
    WithdrawPermission,
    /// Look at the source of a dataset, plan that, and say what is done about changes.
    CheckRights,
    /// Register another licence.
    ChangeLicence,
    /// Fill in a privacy assessment.
    FillPrivacy,
    /// Sign one, or give it back.
    SignPrivacy,
    ViewAgreement,
    /// Register it, say what it is, send its document, hand it in, take it back.
    EditAgreement,
    /// Code its lines and remark on it.
    WorkOnAgreement,
    /// Confirm its lines for the institution.
    ConfirmAgreement,
    /// End a permission for the platform, whoever gave it.
    RevokePermission,
    /// Use a quarantined model again, as an operator proposed.
    ConfirmLift,
    /// See what a withdrawal brought about.
    ViewWithdrawal,
    /// Say that what has to follow a withdrawal was done.
    EndDuty,
    /// See who holds which model under which licence.
    ViewLicensees,
    /// Keep that register.
    ManageLicensees,
    RequestJob,
    ViewJob,
    ApproveJob,
    CancelJob,
    /// Let a job go before others.
    RaiseJob,
    /// Let a job go after others.
    LowerJob,
    /// See how the places stand where jobs run.
    ViewPlaces,
    ViewBudget,
    SetBudget,
    /// Divide an institution's tokens among its projects and keys.
    ShareBudget,
    ViewModel,
    /// Ask for a model to be measured.
    EvaluateModel,
    ReleaseModel,
    /// End the use of a model; of a base that others made, the platform alone.
    RetireModel,
    DeployModel,
    /// See which models are served where, and by which programs.
    ViewServing,
    /// Have a serving program take nothing new, or take it again.
    DrainServing,
    /// Take the files of a released model along.
    DownloadModel,
    RegisterBaseModel,
    /// Say what a model costs.
    SetPrice,
    /// State who provides the models and how they may be used.
    DescribeProvider,
    /// Freeze the documents about a model, for another to publish.
    PrepareDisclosure,
    /// Publish or return what was prepared.
    PublishDisclosure,
    /// Decide what a heavy modification of a base makes of a model.
    DecideModification,
    RequestKey,
    ViewKey,
    ApproveKey,
    /// See the secret, once.
    RevealKey,
    RevokeKey,
    /// End a key that was found somewhere, by presenting it.
    RevokeLeakedKey,
    /// Accept for an institution the terms under which it uses models.
    AcceptModelTerms,
    ViewUsage,
    /// Keep the addresses at which programs are told of events.
    ManageWebhooks,
    /// Choose the steps around what an institution's keys ask and get.
    SetSafeguards,
    /// See what was used of an institution's data, month by month.
    ViewStatements,
    ViewAudit,
    /// Say that a notice was read that is for oneself or one's role.
    ReadNotice,
    ManageInstitutions,
    /// Send a request or complaint from outside.
    FileComplaint,
    /// See that there are cases.
    ListComplaints,
    /// Handle what people ask about their own data.
    HandlePrivacyRequest,
    /// Handle what right holders complain about.
    HandleRightsComplaint,
    /// Be the second person for an answer that is not a full yes.
    DecideOnRefusal,
    /// Look at, and remark on, a case that touches one's own data.
    AdviseOnComplaint,
    /// What the worker does by itself: verify, dispatch, follow, settle.
    RunSystem,
}

impl Action {
    /// Every action, for the matrix.
    pub const ALL: [Self; 67] = [
        Self::RegisterDataset,
        Self::ViewDataset,
        Self::EditDataset,
        Self::SubmitDataset,
        Self::ReviewData,
        Self::ReviewRights,
        Self::GivePermission,
        Self::WithdrawPermission,
        Self::CheckRights,
        Self::ChangeLicence,
        Self::FillPrivacy,
        Self::SignPrivacy,
        Self::ViewAgreement,
        Self::EditAgreement,
        Self::WorkOnAgreement,
        Self::ConfirmAgreement,
        Self::RevokePermission,
        Self::ConfirmLift,
        Self::ViewWithdrawal,
        Self::EndDuty,
        Self::ViewLicensees,
        Self::ManageLicensees,
        Self::RequestJob,
        Self::ViewJob,
        Self::ApproveJob,
        Self::CancelJob,
        Self::RaiseJob,
        Self::LowerJob,
        Self::ViewPlaces,
        Self::ViewBudget,
        Self::SetBudget,
        Self::ShareBudget,
        Self::ViewModel,
        Self::EvaluateModel,
        Self::ReleaseModel,
        Self::RetireModel,
        Self::DeployModel,
        Self::ViewServing,
        Self::DrainServing,
        Self::DownloadModel,
        Self::RegisterBaseModel,
        Self::SetPrice,
        Self::DescribeProvider,
        Self::PrepareDisclosure,
        Self::PublishDisclosure,
        Self::DecideModification,
        Self::RequestKey,
        Self::ViewKey,
        Self::ApproveKey,
        Self::RevealKey,
        Self::RevokeKey,
        Self::RevokeLeakedKey,
        Self::AcceptModelTerms,
        Self::ViewUsage,
        Self::ManageWebhooks,
        Self::SetSafeguards,
        Self::ViewStatements,
        Self::ViewAudit,
        Self::ReadNotice,
        Self::ManageInstitutions,
        Self::FileComplaint,
        Self::ListComplaints,
        Self::HandlePrivacyRequest,
        Self::HandleRightsComplaint,
        Self::DecideOnRefusal,
        Self::AdviseOnComplaint,
        Self::RunSystem,
    ];
}
