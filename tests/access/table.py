"""Who reaches what: the one table. Every route of the product is in it; a route that isn't fails the test.

To add a route, add one line per method that it answers (methods without a line must be refused as 405):

    route name    method    objects of its address    one column per person

- *objects*: `pk=sams_handoff` takes `world.sams_handoff.pk` (see world.py); several with commas; `-` for none.
  `POST` bodies are in world.py, `BODIES`, by route name: make them valid, so that a refusal refuses the person.
- *columns*: `anon` isn't signed in; Mia marketer, Dan SDR, Sam sales rep (things in `world` are his), Sid rep of another
  team, Max Sam's manager, Dora director, Vera viewer, Ada administrator. API routes get each one's token with all scopes.
- *cells*: a status, such as `200`, `403`, `404`; `in` is sent to the sign-in page; `done` succeeds and has changed the
  database; `no` is told by a message and changes nothing. After anything but `done`, and a plain `200` or `302`,
  nothing in the database may have changed.
"""

PEOPLE = ("anon", "mia", "dan", "sam", "sid", "max", "dora", "vera", "ada")

TABLE = """
route                                 method  objects                        anon  mia   dan   sam   sid   max   dora  vera  ada

# Signing in
account_login                         GET     -                              200   302   302   302   302   302   302   302   302
account_login                         POST    -                              302   302   302   302   302   302   302   302   302
account_logout                        GET     -                              302   200   200   200   200   200   200   200   200
account_logout                        POST    -                              302   302   302   302   302   302   302   302   302
account_signup                        GET     -                              302   302   302   302   302   302   302   302   302
account_inactive                      GET     -                              200   200   200   200   200   200   200   200   200
account_change_password               GET     -                              in    200   200   200   200   200   200   200   200
account_change_password               POST    -                              in    done  done  done  done  done  done  done  done
account_reset_password                GET     -                              200   200   200   200   200   200   200   200   200
account_reset_password                POST    -                              done  done  done  done  done  done  done  done  done
account_reset_password_done           GET     -                              200   200   200   200   200   200   200   200   200
account_reset_password_from_key       GET     uidb36=bad_uid,key=bad_key     200   200   200   200   200   200   200   200   200
account_reset_password_from_key       POST    uidb36=bad_uid,key=bad_key     no    no    no    no    no    no    no    no    no
account_reset_password_from_key_done  GET     -                              200   200   200   200   200   200   200   200   200
set_language                          POST    -                              302   done  done  done  done  done  done  done  done
accounts:first_run                    GET     -                              404   404   404   404   404   404   404   404   404
accounts:first_run                    POST    -                              404   404   404   404   404   404   404   404   404

# One's own
accounts:profile                      GET     -                              in    200   200   200   200   200   200   200   200
accounts:profile                      POST    -                              in    done  done  done  done  done  done  done  done
accounts:token_list                   GET     -                              in    200   200   200   200   200   200   200   200
accounts:token_add                    GET     -                              in    200   200   200   200   200   200   200   200
accounts:token_add                    POST    -                              in    done  done  done  done  done  done  done  done
accounts:token_revoke                 POST    token_key=sams_token           in    404   404   done  404   404   404   404   done

# Settings
accounts:settings                     GET     -                              in    200   200   200   200   200   200   200   200
accounts:organisation                 GET     -                              in    403   403   403   403   403   403   403   200
accounts:organisation                 POST    -                              in    403   403   403   403   403   403   403   done
accounts:user_list                    GET     -                              in    403   403   403   403   403   403   403   200
accounts:user_add                     GET     -                              in    403   403   403   403   403   403   403   200
accounts:user_add                     POST    -                              in    403   403   403   403   403   403   403   done
accounts:user_edit                    GET     pk=sam                         in    403   403   403   403   403   403   403   200
accounts:user_edit                    POST    pk=sam                         in    403   403   403   403   403   403   403   done
accounts:team_list                    GET     -                              in    403   403   403   403   403   403   403   200
accounts:team_add                     GET     -                              in    403   403   403   403   403   403   403   200
accounts:team_add                     POST    -                              in    403   403   403   403   403   403   403   done
accounts:team_edit                    GET     pk=team                        in    403   403   403   403   403   403   403   200
accounts:team_edit                    POST    pk=team                        in    403   403   403   403   403   403   403   done

# KPI
kpi:funnel                            GET     -                              in    200   200   200   200   200   200   200   200
kpi:channels                          GET     -                              in    200   200   200   200   200   200   200   200
kpi:sla                               GET     -                              in    200   200   200   200   200   200   200   200
pipeline:weekly_review                GET     -                              in    200   200   200   200   200   200   200   200
kpi:reckon                            POST    -                              in    403   403   403   403   302   302   403   302

# Questionnaires
leads:questionnaire_list              GET     -                              in    200   200   200   200   200   200   200   200
leads:questionnaire_detail            GET     pk=questionnaire               in    200   200   200   200   200   200   200   200
leads:questionnaire_preview           GET     pk=questionnaire               in    200   200   200   200   200   200   200   200
leads:questionnaire_results           GET     pk=questionnaire               in    200   200   200   200   200   200   200   200
leads:question_answers                GET     pk=questionnaire,key=question_key in    200   200   200   200   200   200   200   200
leads:questionnaire_export            GET     pk=questionnaire               in    200   200   200   200   200   200   200   403
leads:questionnaire_add               GET     -                              in    200   403   403   403   403   200   403   403
leads:questionnaire_add               POST    -                              in    done  403   403   403   403   done  403   403
leads:questionnaire_texts             GET     pk=questionnaire               in    200   403   403   403   403   200   403   403
leads:questionnaire_texts             POST    pk=questionnaire               in    done  403   403   403   403   done  403   403
leads:questionnaire_publish           GET     pk=questionnaire_draft         in    200   403   403   403   403   200   403   403
leads:questionnaire_publish           POST    pk=questionnaire_draft         in    done  403   403   403   403   done  403   403
leads:questionnaire_discard           GET     pk=questionnaire_draft         in    200   403   403   403   403   200   403   403
leads:questionnaire_discard           POST    pk=questionnaire_draft         in    done  403   403   403   403   done  403   403
leads:question_add                    GET     pk=questionnaire               in    200   403   403   403   403   200   403   403
leads:question_add                    POST    pk=questionnaire               in    done  403   403   403   403   done  403   403
leads:question_edit                   GET     pk=questionnaire,key=question_key in    200   403   403   403   403   200   403   403
leads:question_edit                   POST    pk=questionnaire,key=question_key in    done  403   403   403   403   done  403   403
leads:questionnaire_order             POST    pk=questionnaire               in    done  403   403   403   403   done  403   403
leads:questionnaire_open              POST    pk=questionnaire               in    done  403   403   403   403   done  403   403
leads:question_duplicate              POST    pk=questionnaire,key=question_key in    done  403   403   403   403   done  403   403
leads:question_move                   POST    pk=questionnaire,key=question_key in    done  403   403   403   403   done  403   403
leads:question_remove                 POST    pk=questionnaire,key=question_key in    done  403   403   403   403   done  403   403
leads:question_restore                POST    pk=questionnaire               in    no    403   403   403   403   no    403   403

# Leads
leads:lead_list                       GET     -                              in    200   200   200   200   200   200   200   200
leads:lead_filter                     GET     -                              in    200   200   200   200   200   200   200   200
leads:lead_export                     GET     -                              in    200   200   200   200   200   200   200   403
leads:lead_add                        GET     -                              in    200   200   200   200   200   200   403   403
leads:lead_add                        POST    -                              in    done  done  done  done  done  done  403   403
leads:lead_match                      POST    -                              in    200   200   200   200   200   200   403   403
leads:lead_detail                     GET     pk=lead                        in    200   200   200   200   200   200   200   200
leads:lead_edit                       GET     pk=lead                        in    200   200   200   200   200   200   403   403
leads:lead_edit                       POST    pk=lead                        in    done  done  done  done  done  done  403   403
leads:lead_note                       POST    pk=lead                        in    done  done  done  done  done  done  403   403
leads:lead_criterion                  POST    pk=lead                        in    done  done  403   403   403   done  403   403
leads:lead_rejudge                    POST    pk=lead_judged_before          in    done  done  403   403   403   done  403   403

# Questionnaires being filled in
leads:questionnaire_public            GET     public_key=open_key            200   200   200   200   200   200   200   200   200
leads:questionnaire_public            POST    public_key=open_key            done  done  done  done  done  done  done  done  done
leads:questionnaire_public            GET     public_key=closed_key          410   410   410   410   410   410   410   410   410
leads:questionnaire_thanks            GET     public_key=open_key,token=thanks 200 200   200   200   200   200   200   200   200
leads:questionnaire_meeting           GET     public_key=open_key,token=thanks 200 200   200   200   200   200   200   200   200
leads:questionnaire_sheet             GET     pk=open_questionnaire          in    200   200   200   200   200   200   200   200
leads:questionnaire_code              GET     pk=open_questionnaire,kind=svg in    200   200   200   200   200   200   200   200
pipeline:lead_questionnaire           GET     pk=lead                        in    200   200   403   403   403   200   403   403
pipeline:lead_questionnaire           POST    pk=lead                        in    done  done  403   403   403   done  403   403
leads:submission_list                 GET     -                              in    200   200   403   403   403   200   403   403
leads:submission_detail               GET     pk=suspect                     in    200   200   200   200   200   200   200   200
leads:submission_decide               POST    -                              in    done  done  403   403   403   done  403   403
leads:submission_undo                 POST    pk=spam                        in    done  done  403   403   403   done  403   403

# Contacts and companies
leads:contact_list                    GET     -                              in    200   200   200   200   200   200   200   200
leads:contact_detail                  GET     pk=contact                     in    200   200   200   200   200   200   200   200
leads:contact_bounced                 POST    pk=contact                     in    done  done  403   403   403   done  403   403
leads:contact_reachable               POST    pk=bounced_contact             in    done  done  403   403   403   done  403   403
leads:contact_edit                    GET     pk=contact                     in    200   200   200   200   200   200   403   403
leads:contact_edit                    POST    pk=contact                     in    done  done  done  done  done  done  403   403
leads:contact_consent                 GET     pk=contact,purpose=purpose     in    200   200   200   200   200   200   403   403
leads:contact_consent                 POST    pk=contact,purpose=purpose     in    done  done  done  done  done  done  403   403
leads:company_list                    GET     -                              in    200   200   200   200   200   200   200   200
leads:company_detail                  GET     pk=company                     in    200   200   200   200   200   200   200   200
leads:company_edit                    GET     pk=company                     in    200   200   200   200   200   200   403   403
leads:company_edit                    POST    pk=company                     in    done  done  done  done  done  done  403   403

# Campaigns and expenses
leads:campaign_list                   GET     -                              in    200   200   200   200   200   200   200   200
leads:campaign_detail                 GET     pk=campaign                    in    200   200   200   200   200   200   200   200
leads:campaign_add                    GET     -                              in    200   403   403   403   403   200   403   403
leads:campaign_add                    POST    -                              in    done  403   403   403   403   done  403   403
leads:campaign_edit                   GET     pk=campaign                    in    200   403   403   403   403   200   403   403
leads:campaign_edit                   POST    pk=campaign                    in    done  403   403   403   403   done  403   403
leads:expense_list                    GET     -                              in    200   200   200   200   200   200   200   200
leads:expense_add                     GET     campaign_pk=campaign           in    302   403   403   403   403   302   403   403
leads:expense_add                     POST    campaign_pk=campaign           in    done  403   403   403   403   done  403   403
leads:expense_edit                    GET     pk=expense                     in    200   403   403   403   403   200   403   403
leads:expense_edit                    POST    pk=expense                     in    done  403   403   403   403   done  403   403
leads:expense_withdraw                POST    pk=expense                     in    done  403   403   403   403   done  403   403
leads:expense_restore                 POST    pk=expense                     in    done  403   403   403   403   done  403   403

# Partners and unmet demand
leads:partner_list                    GET     -                              in    200   200   200   200   200   200   200   200
leads:partner_list                    POST    -                              in    done  403   403   403   403   done  403   done
leads:partner_detail                  GET     pk=partner                     in    200   200   200   200   200   200   200   200
leads:partner_edit                    GET     pk=partner                     in    200   403   403   403   403   200   403   200
leads:partner_edit                    POST    pk=partner                     in    done  403   403   403   403   done  403   done
leads:demand_list                     GET     -                              in    200   200   200   200   200   200   200   200
leads:demand_detail                   GET     pk=demand                      in    200   200   200   200   200   200   200   200
leads:demand_edit                     GET     pk=demand                      in    200   403   403   403   403   200   403   200
leads:demand_edit                     POST    pk=demand                      in    done  403   403   403   403   done  403   done
leads:lead_demand                     GET     pk=lead                        in    200   200   200   200   200   200   403   403
leads:lead_demand                     POST    pk=lead                        in    done  done  done  done  done  done  403   403
pipeline:lead_refer                   GET     pk=lead                        in    200   200   403   403   403   200   403   403
pipeline:lead_refer                   POST    pk=lead                        in    done  done  403   403   403   done  403   403
pipeline:referral_close               GET     pk=referral                    in    200   200   403   403   403   200   403   403
pipeline:referral_close               POST    pk=referral                    in    done  done  403   403   403   done  403   403

# Stand mode
leads:stand                           GET     pk=event                       in    200   200   200   200   200   200   403   403
leads:stand                           GET     pk=campaign                    in    404   404   404   404   404   404   403   403
leads:stand                           POST    pk=event                       in    done  done  done  done  done  done  403   403
leads:stand_match                     POST    pk=event                       401   200   200   200   200   200   200   403   403
leads:stand_entry                     POST    pk=event                       401   done  done  done  done  done  done  403   403
leads:stand_entry                     POST    pk=campaign                    401   404   404   404   404   404   404   403   403
leads:stand_state                     GET     pk=event                       401   200   200   200   200   200   200   403   403
leads:stand_shell                     GET     pk=event                       in    200   200   200   200   200   200   403   403
leads:stand_manifest                  GET     pk=event                       in    200   200   200   200   200   200   403   403
leads:stand_worker                    GET     pk=event                       200   200   200   200   200   200   200   200   200
leads:visitor_report                  GET     pk=event                       in    200   200   200   200   200   200   200   200
leads:visitor_report                  GET     pk=campaign                    in    404   404   404   404   404   404   404   404
leads:visitor_add                     GET     pk=event                       in    200   200   200   200   200   200   403   403
leads:visitor_add                     POST    pk=event                       in    done  done  done  done  done  done  403   403
leads:visitor_export                  GET     pk=event                       in    200   200   200   200   200   200   200   403

# Kept lists and criteria
leads:channel_list                    GET     -                              in    200   200   200   200   200   200   200   200
leads:channel_list                    POST    -                              in    done  403   403   403   403   done  403   done
leads:channel_edit                    GET     pk=channel                     in    200   403   403   403   403   200   403   200
leads:channel_edit                    POST    pk=channel                     in    done  403   403   403   403   done  403   done
leads:product_list                    GET     -                              in    200   200   200   200   200   200   200   200
leads:product_list                    POST    -                              in    done  403   403   403   403   done  403   done
leads:product_edit                    GET     pk=product                     in    200   403   403   403   403   200   403   200
leads:product_edit                    POST    pk=product                     in    done  403   403   403   403   done  403   done
leads:reason_list                     GET     -                              in    200   200   200   200   200   200   200   200
leads:reason_list                     POST    -                              in    done  403   403   403   403   done  403   done
leads:reason_edit                     GET     pk=reason                      in    200   403   403   403   403   200   403   200
leads:reason_edit                     POST    pk=reason                      in    done  403   403   403   403   done  403   done
leads:reason_move                     POST    pk=reason                      in    done  403   403   403   403   done  403   done
leads:consent_texts                   GET     -                              in    200   200   200   200   200   200   200   200
leads:consent_text_edit               GET     purpose=purpose                in    403   403   403   403   403   200   403   200
leads:consent_text_edit               POST    purpose=purpose                in    403   403   403   403   403   done  403   done
leads:criteria                        GET     -                              in    200   200   200   200   200   200   200   200
leads:criteria_of_product             GET     pk=product                     in    200   200   200   200   200   200   200   200
leads:criteria_draft                  POST    -                              in    done  403   403   403   done  done  403   403
leads:criteria_version                GET     pk=voted_criteria              in    200   200   200   200   200   200   200   200
leads:criteria_edit                   GET     pk=criteria_draft              in    200   403   403   403   200   200   403   403
leads:criteria_edit                   POST    pk=criteria_draft              in    done  403   403   403   done  done  403   403
leads:criteria_discard                POST    pk=criteria_draft              in    done  403   403   403   done  done  403   403
leads:criteria_vote                   GET     pk=criteria_draft              in    200   403   403   403   200   200   403   403
leads:criteria_vote                   POST    pk=criteria_draft              in    done  403   403   403   done  done  403   403
leads:criteria_rejudge                GET     pk=criteria                    in    200   200   403   403   403   200   403   403
leads:criteria_rejudge                POST    pk=criteria                    in    done  done  403   403   403   done  403   403
leads:round_decide                    POST    pk=round                       in    done  403   403   403   done  done  done  403
leads:round_remind                    POST    pk=round                       in    done  403   403   403   403   done  403   403
leads:party_replace                   POST    pk=gone_party                  in    done  403   403   403   403   done  403   403
leads:round_withdraw                  POST    pk=round                       in    done  403   403   403   403   done  403   403
leads:criteria_backtest               GET     pk=criteria_set                in    200   200   200   200   200   200   200   200

# Personal data
pipeline:personal_data                GET     pk=contact                     in    200   403   403   403   403   200   403   200
pipeline:personal_data_file           GET     pk=contact                     in    200   403   403   403   403   200   403   200
pipeline:contact_erase                GET     pk=contact                     in    403   403   403   403   403   200   403   200
pipeline:contact_erase                POST    pk=contact                     in    403   403   403   403   403   done  403   done
pipeline:erasure_list                 GET     -                              in    200   200   200   200   200   200   200   200
pipeline:retention                    GET     -                              in    200   200   200   200   200   200   200   200
pipeline:retention_rule               GET     kind=retention_kind            in    200   200   200   200   200   200   200   200
pipeline:retention_rule               POST    kind=retention_kind            in    403   403   403   403   403   done  403   done

# Sales
pipeline:home                         GET     -                              in    200   200   200   200   200   200   200   200
pipeline:inbox                        GET     -                              in    200   200   200   200   200   200   200   200
pipeline:handoff_list                 GET     -                              in    200   200   200   200   200   200   200   200
pipeline:handoff_filter               GET     -                              in    200   200   200   200   200   200   200   200
pipeline:handoff_detail               GET     pk=sams_handoff                in    200   200   200   200   200   200   200   200
pipeline:handoff_accept               POST    pk=sams_contacted_handoff      in    403   403   done  no    done  done  403   403
pipeline:handoff_reject               GET     pk=sams_handoff                in    403   403   200   200   200   200   403   403
pipeline:handoff_reject               POST    pk=sams_handoff                in    403   403   done  no    done  done  403   403
pipeline:handoff_reassign             GET     pk=sams_handoff                in    403   403   403   403   200   200   403   403
pipeline:handoff_reassign             POST    pk=sams_handoff                in    403   403   403   403   done  done  403   403
pipeline:activity_log                 POST    pk=lead                        in    done  done  403   403   403   done  403   403
pipeline:activity_log                 POST    pk=sams_lead                   in    403   403   done  no    done  done  403   403
pipeline:lead_panel                   GET     pk=lead                        in    200   200   200   200   200   200   200   200
pipeline:lead_panel                   GET     pk=sams_lead                   in    200   200   200   200   200   200   200   200
pipeline:lead_qualify                 POST    pk=ready_lead                  in    done  done  403   403   403   done  403   403
pipeline:lead_keep_warm               POST    pk=lead                        in    done  done  403   403   403   done  403   403
pipeline:desk                         GET     -                              in    200   200   403   403   403   200   403   403
pipeline:desk_filter                  GET     -                              in    200   200   403   403   403   200   403   403
pipeline:desk_next                    GET     -                              in    302   302   403   403   403   302   403   403
pipeline:desk_sheet                   GET     pk=lead                        in    200   200   403   403   403   200   403   403
pipeline:desk_sheet                   POST    pk=lead                        in    done  done  403   403   403   done  403   403
pipeline:desk_sheet                   POST    pk=sams_lead                   in    422   422   403   403   403   done  403   403
pipeline:desk_criterion               POST    pk=lead                        in    done  done  403   403   403   done  403   403
pipeline:task_add                     GET     pk=lead                        in    200   200   200   200   200   200   403   403
pipeline:task_add                     POST    pk=lead                        in    done  done  done  done  done  done  403   403
pipeline:task_done                    POST    pk=sams_task                   in    done  no    done  no    no    done  no    no
pipeline:task_reopen                  POST    pk=sams_done_task              in    done  no    done  no    no    done  no    no
pipeline:lead_brief                   GET     pk=lead                        in    200   200   403   403   403   200   403   403
pipeline:lead_brief                   POST    pk=lead                        in    done  done  403   403   403   done  403   403
pipeline:lead_hand_over               GET     pk=qualified_lead              in    200   200   403   403   403   200   403   403
pipeline:lead_hand_over               POST    pk=qualified_lead              in    done  done  403   403   403   done  403   403
pipeline:leads_hand_over              POST    -                              in    done  done  403   403   403   done  403   403
pipeline:leads_remove                 POST    -                              in    done  done  403   403   403   done  403   403
pipeline:leads_remove_undo            POST    pk=removal_event               in    done  no    403   403   403   no    403   403
pipeline:lead_remove                  GET     pk=lead                        in    200   200   403   403   403   200   403   403
pipeline:lead_remove                  POST    pk=lead                        in    done  done  403   403   403   done  403   403
pipeline:lead_restore                 POST    pk=removed_lead                in    done  done  403   403   403   done  403   403
pipeline:undo                         POST    pk=qualified_event             in    done  no    no    no    no    no    no    no
pipeline:opportunity_board            GET     -                              in    200   200   200   200   200   200   200   200
pipeline:opportunity_list             GET     -                              in    200   200   200   200   200   200   200   200
pipeline:payment_list                 GET     -                              in    200   200   200   200   200   200   200   200
pipeline:payment_filter               GET     -                              in    200   200   200   200   200   200   200   200
pipeline:opportunity_filter           GET     -                              in    200   200   200   200   200   200   200   200
pipeline:opportunity_detail           GET     pk=sams_opportunity            in    200   200   200   200   200   200   200   200
pipeline:opportunity_detail           POST    pk=sams_opportunity            in    403   403   done  no    done  done  403   403
pipeline:opportunity_move             GET     pk=sams_opportunity            in    403   403   200   200   200   200   403   403
pipeline:opportunity_move             POST    pk=sams_opportunity            in    403   403   done  no    done  done  403   403
pipeline:opportunity_win              GET     pk=sams_opportunity            in    403   403   200   200   200   200   403   403
pipeline:opportunity_win              POST    pk=sams_opportunity            in    403   403   done  no    done  done  403   403
pipeline:opportunity_lose             GET     pk=sams_opportunity            in    403   403   200   200   200   200   403   403
pipeline:opportunity_lose             POST    pk=sams_opportunity            in    403   403   done  no    done  done  403   403
pipeline:payment_add                  POST    pk=sams_won_opportunity        in    403   403   done  no    done  done  403   403
pipeline:notification_list            GET     -                              in    200   200   200   200   200   200   200   200
pipeline:notification_count           GET     -                              in    200   200   200   200   200   200   200   200
pipeline:notifications_read           POST    -                              in    302   302   302   302   302   302   302   302
pipeline:notification_open            POST    pk=sams_notification           in    404   404   done  404   404   404   404   404
pipeline:agreement                    GET     -                              in    200   200   200   200   200   200   200   200
pipeline:agreement                    POST    -                              in    403   403   403   403   403   done  403   403

# Nurture
pipeline:nurture_plans                GET     -                              in    200   200   200   200   200   200   200   200
pipeline:nurture_plan_add             GET     -                              in    200   403   403   403   403   200   403   403
pipeline:nurture_plan_add             POST    -                              in    done  403   403   403   403   done  403   403
pipeline:nurture_plan                 GET     pk=plan                        in    200   200   200   200   200   200   200   200
pipeline:nurture_plan_edit            GET     pk=plan                        in    200   403   403   403   403   200   403   403
pipeline:nurture_plan_edit            POST    pk=plan                        in    done  403   403   403   403   done  403   403
pipeline:nurture_plan_start           POST    pk=plan                        in    done  403   403   403   403   done  403   403
pipeline:nurture_plan_stop            POST    pk=plan                        in    done  403   403   403   403   done  403   403
pipeline:nurture_results              GET     pk=plan                        in    200   200   200   200   200   200   200   200
pipeline:nurture_step_add             GET     pk=plan                        in    200   403   403   403   403   200   403   403
pipeline:nurture_step_add             POST    pk=plan                        in    done  403   403   403   403   done  403   403
pipeline:nurture_step_edit            GET     pk=step                        in    200   403   403   403   403   200   403   403
pipeline:nurture_step_edit            POST    pk=step                        in    done  403   403   403   403   done  403   403
pipeline:nurture_step_move            POST    pk=step                        in    done  403   403   403   403   done  403   403
pipeline:nurture_step_retire          POST    pk=step                        in    done  403   403   403   403   done  403   403
pipeline:nurture_step_restore         POST    pk=step                        in    done  403   403   403   403   done  403   403
pipeline:leads_nurture                POST    -                              in    done  done  403   403   403   done  403   403
pipeline:lead_nurture                 GET     pk=warm_lead                   in    200   200   403   403   403   200   403   403
pipeline:lead_nurture                 POST    pk=warm_lead                   in    done  done  403   403   403   done  403   403
pipeline:nurture_take_out             POST    pk=enrolment                   in    done  done  403   403   403   done  403   403
pipeline:nurture_put_back             POST    pk=left_enrolment              in    done  done  403   403   403   done  403   403
pipeline:mail_templates               GET     -                              in    200   200   200   200   200   200   200   200
pipeline:mail_template_add            GET     -                              in    200   403   403   403   403   200   403   403
pipeline:mail_template_add            POST    -                              in    done  403   403   403   403   done  403   403
pipeline:mail_template                GET     pk=template                    in    200   200   200   200   200   200   200   200
pipeline:mail_template_edit           GET     pk=template                    in    200   403   403   403   403   200   403   403
pipeline:mail_template_edit           POST    pk=template                    in    done  403   403   403   403   done  403   403
pipeline:mail_template_test           POST    pk=template                    in    302   403   403   403   403   302   403   403
leads:mailing_confirm                 GET     token=confirm_token            200   200   200   200   200   200   200   200   200
leads:mailing_confirm                 POST    token=confirm_token            done  done  done  done  done  done  done  done  done
leads:mailing_confirm                 POST    token=nobodys_token            410   410   410   410   410   410   410   410   410
pipeline:mailing_preferences          GET     token=mailing_token            200   200   200   200   200   200   200   200   200
pipeline:mailing_preferences          POST    token=mailing_token            done  done  done  done  done  done  done  done  done
pipeline:mailing_preferences          POST    token=nobodys_token            no    no    no    no    no    no    no    no    no
pipeline:mailing_unsubscribe          GET     token=mailing_token            200   200   200   200   200   200   200   200   200
pipeline:mailing_unsubscribe          POST    token=mailing_token            done  done  done  done  done  done  done  done  done
pipeline:mailing_unsubscribe          POST    token=nobodys_token            no    no    no    no    no    no    no    no    no

# REST (with tokens)
api:schema                            GET     -                              200   200   200   200   200   200   200   200   200
api:docs                              GET     -                              200   200   200   200   200   200   200   200   200
api:tokens                            POST    -                              done  done  done  done  done  done  done  done  done
api:tokens                            DELETE  -                              401   done  done  done  done  done  done  done  done
api:metrics                           GET     -                              401   200   200   200   200   200   200   200   200
api:contact-list                      GET     -                              401   200   200   200   200   200   200   200   200
api:contact-list                      POST    -                              401   done  done  done  done  done  done  403   403
api:contact-bulk-upsert               POST    -                              401   done  done  done  done  done  done  403   403
api:contact-detail                    GET     pk=contact                     401   200   200   200   200   200   200   200   200
api:contact-detail                    PUT     pk=contact                     401   done  done  done  done  done  done  403   403
api:contact-detail                    PATCH   pk=contact                     401   done  done  done  done  done  done  403   403
api:company-list                      GET     -                              401   200   200   200   200   200   200   200   200
api:company-list                      POST    -                              401   done  done  done  done  done  done  403   403
api:company-detail                    GET     pk=company                     401   200   200   200   200   200   200   200   200
api:company-detail                    PUT     pk=company                     401   done  done  done  done  done  done  403   403
api:company-detail                    PATCH   pk=company                     401   done  done  done  done  done  done  403   403
api:campaign-list                     GET     -                              401   200   200   200   200   200   200   200   200
api:campaign-list                     POST    -                              401   done  403   403   403   403   done  403   403
api:campaign-detail                   GET     pk=campaign                    401   200   200   200   200   200   200   200   200
api:campaign-detail                   PUT     pk=campaign                    401   done  403   403   403   403   done  403   403
api:campaign-detail                   PATCH   pk=campaign                    401   done  403   403   403   403   done  403   403
api:expense-list                      GET     -                              401   200   200   200   200   200   200   200   200
api:expense-list                      POST    -                              401   done  403   403   403   403   done  403   403
api:expense-detail                    GET     pk=expense                     401   200   200   200   200   200   200   200   200
api:expense-detail                    PUT     pk=expense                     401   done  403   403   403   403   done  403   403
api:expense-detail                    PATCH   pk=expense                     401   done  403   403   403   403   done  403   403
api:expense-withdraw                  POST    pk=expense                     401   done  403   403   403   403   done  403   403
api:lead-list                         GET     -                              401   200   200   200   200   200   200   200   200
api:lead-list                         POST    -                              401   done  done  done  done  done  done  403   403
api:lead-detail                       GET     pk=lead                        401   200   200   200   200   200   200   200   200
api:lead-answer                       POST    pk=lead                        401   done  done  403   403   403   done  403   403
api:lead-qualify                      POST    pk=lead_that_meets_criteria    401   done  done  403   403   403   done  403   403
api:lead-keep-warm                    POST    pk=lead                        401   done  done  403   403   403   done  403   403
api:lead-hand-over                    POST    pk=qualified_lead              401   done  done  403   403   403   done  403   403
api:lead-activities                   POST    pk=lead                        401   done  done  403   403   403   done  403   403
api:lead-activities                   POST    pk=sams_lead                   401   403   403   done  403   done  done  403   403
api:lead-remove                       POST    pk=lead                        401   done  done  403   403   403   done  403   403
api:lead-restore                      POST    pk=removed_lead                401   done  done  403   403   403   done  403   403
api:handoff-list                      GET     -                              401   200   200   200   200   200   200   200   200
api:handoff-detail                    GET     pk=sams_handoff                401   200   200   200   200   200   200   200   200
api:handoff-accept                    POST    pk=sams_contacted_handoff      401   403   403   done  403   done  done  403   403
api:handoff-reject                    POST    pk=sams_contacted_handoff      401   403   403   done  403   done  done  403   403
api:handoff-reassign                  POST    pk=sams_handoff                401   403   403   403   403   done  done  403   403
api:opportunity-list                  GET     -                              401   200   200   200   200   200   200   200   200
api:opportunity-detail                GET     pk=sams_opportunity            401   200   200   200   200   200   200   200   200
api:opportunity-move                  POST    pk=sams_opportunity            401   403   403   done  403   done  done  403   403
api:opportunity-win                   POST    pk=sams_opportunity            401   403   403   done  403   done  done  403   403
api:opportunity-lose                  POST    pk=sams_opportunity            401   403   403   done  403   done  done  403   403
api:opportunity-payments              GET     pk=sams_won_opportunity        401   200   200   200   200   200   200   200   200
api:opportunity-payments              POST    pk=sams_won_opportunity        401   403   403   done  403   done  done  403   403
"""
