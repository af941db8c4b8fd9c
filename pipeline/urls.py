from django.urls import path

from pipeline.views import agreement, handoffs, home, leads, notifications, opportunities, payments, referrals, review

app_name = "pipeline"

urlpatterns = [
    path("", home.home, name="home"),
    path("inbox/", handoffs.inbox, name="inbox"),
    path("handoffs/", handoffs.handoff_list, name="handoff_list"),
    path("handoffs/filter/", handoffs.handoff_filter, name="handoff_filter"),
    path("handoffs/<int:pk>/", handoffs.handoff_detail, name="handoff_detail"),
    path("handoffs/<int:pk>/accept/", handoffs.handoff_accept, name="handoff_accept"),
    path("handoffs/<int:pk>/reject/", handoffs.handoff_reject, name="handoff_reject"),
    path("handoffs/<int:pk>/reassign/", handoffs.handoff_reassign, name="handoff_reassign"),
    path("leads/hand-over/", leads.leads_hand_over, name="leads_hand_over"),
    path("leads/<int:pk>/panel/", leads.lead_panel, name="lead_panel"),
    path("leads/<int:pk>/activity/", leads.activity_log, name="activity_log"),
    path("leads/<int:pk>/qualify/", leads.lead_qualify, name="lead_qualify"),
    path("leads/<int:pk>/keep-warm/", leads.lead_keep_warm, name="lead_keep_warm"),
    path("leads/<int:pk>/brief/", leads.lead_brief, name="lead_brief"),
    path("leads/<int:pk>/hand-over/", leads.lead_hand_over, name="lead_hand_over"),
    path("leads/<int:pk>/remove/", leads.lead_remove, name="lead_remove"),
    path("leads/<int:pk>/refer/", referrals.lead_refer, name="lead_refer"),
    path("referrals/<int:pk>/", referrals.referral_close, name="referral_close"),
    path("leads/<int:pk>/restore/", leads.lead_restore, name="lead_restore"),
    path("undo/<int:pk>/", leads.undo, name="undo"),
    path("opportunities/", opportunities.opportunity_board, name="opportunity_board"),
    path("opportunities/list/", opportunities.opportunity_list, name="opportunity_list"),
    path("opportunities/filter/", opportunities.opportunity_filter, name="opportunity_filter"),
    path("opportunities/<int:pk>/", opportunities.opportunity_detail, name="opportunity_detail"),
    path("opportunities/<int:pk>/move/", opportunities.opportunity_move, name="opportunity_move"),
    path("opportunities/<int:pk>/win/", opportunities.opportunity_win, name="opportunity_win"),
    path("opportunities/<int:pk>/lose/", opportunities.opportunity_lose, name="opportunity_lose"),
    path("opportunities/<int:pk>/payments/add/", opportunities.payment_add, name="payment_add"),
    path("payments/", payments.payment_list, name="payment_list"),
    path("payments/filter/", payments.payment_filter, name="payment_filter"),
    path("weekly/", review.weekly_review, name="weekly_review"),
    path("notifications/", notifications.notification_list, name="notification_list"),
    path("notifications/count/", notifications.notification_count, name="notification_count"),
    path("notifications/read/", notifications.notifications_read, name="notifications_read"),
    path("notifications/<int:pk>/open/", notifications.notification_open, name="notification_open"),
    path("settings/agreement/", agreement.agreement, name="agreement"),
]
