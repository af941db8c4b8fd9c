from django.urls import path

from leads.views import campaigns, catalogue, companies, contacts, criteria, export, leads, stand

app_name = "leads"

urlpatterns = [
    path("leads/", leads.lead_list, name="lead_list"),
    path("leads/filter/", leads.lead_filter, name="lead_filter"),
    path("leads/export/", export.lead_export, name="lead_export"),
    path("leads/add/", leads.lead_add, name="lead_add"),
    path("leads/add/match/", leads.lead_match, name="lead_match"),
    path("leads/<int:pk>/", leads.lead_detail, name="lead_detail"),
    path("leads/<int:pk>/edit/", leads.lead_edit, name="lead_edit"),
    path("leads/<int:pk>/note/", leads.lead_note, name="lead_note"),
    path("leads/<int:pk>/criterion/", leads.lead_criterion, name="lead_criterion"),
    path("contacts/", contacts.contact_list, name="contact_list"),
    path("contacts/<int:pk>/", contacts.contact_detail, name="contact_detail"),
    path("contacts/<int:pk>/edit/", contacts.contact_edit, name="contact_edit"),
    path("companies/", companies.company_list, name="company_list"),
    path("companies/<int:pk>/", companies.company_detail, name="company_detail"),
    path("companies/<int:pk>/edit/", companies.company_edit, name="company_edit"),
    path("campaigns/", campaigns.campaign_list, name="campaign_list"),
    path("campaigns/add/", campaigns.campaign_add, name="campaign_add"),
    path("campaigns/<int:pk>/", campaigns.campaign_detail, name="campaign_detail"),
    path("campaigns/<int:pk>/edit/", campaigns.campaign_edit, name="campaign_edit"),
    path("campaigns/<int:pk>/stand/", stand.stand, name="stand"),
    path("campaigns/<int:pk>/stand/match/", stand.stand_match, name="stand_match"),
    path("campaigns/<int:campaign_pk>/expenses/add/", campaigns.expense_add, name="expense_add"),
    path("expenses/", campaigns.expense_list, name="expense_list"),
    path("expenses/<int:pk>/edit/", campaigns.expense_edit, name="expense_edit"),
    path("expenses/<int:pk>/withdraw/", campaigns.expense_withdraw, name="expense_withdraw"),
    path("expenses/<int:pk>/restore/", campaigns.expense_restore, name="expense_restore"),
    path("settings/channels/", catalogue.channel_list, name="channel_list"),
    path("settings/channels/<int:pk>/", catalogue.channel_edit, name="channel_edit"),
    path("settings/products/", catalogue.product_list, name="product_list"),
    path("settings/products/<int:pk>/", catalogue.product_edit, name="product_edit"),
    path("settings/reasons/", catalogue.reason_list, name="reason_list"),
    path("settings/reasons/<int:pk>/", catalogue.reason_edit, name="reason_edit"),
    path("settings/reasons/<int:pk>/move/", catalogue.reason_move, name="reason_move"),
    path("settings/criteria/", criteria.criteria_page, name="criteria"),
    path("settings/criteria/edit/", criteria.criteria_edit, name="criteria_edit"),
]
