package charttest

// changes contains, for each value of the chart, values that differ from base only in that value.
var changes = map[string]string{
	"enabled":                                  "enabled: false",
	"mode":                                     "mode: job",
	"nameOverride":                             "nameOverride: a",
	"fullnameOverride":                         "fullnameOverride: a",
	"global":                                   "global: {imageRegistry: a}",
	"image.registry":                           "image: {registry: a}",
	"image.repository":                         "image: {repository: a}",
	"image.tag":                                "image: {tag: a}",
	"image.digest":                             "image: {digest: 'sha256:" + digest + "'}",
	"image.pullPolicy":                         "image: {pullPolicy: Never}",
	"imagePullSecrets":                         "imagePullSecrets: [a]",
	"database.url":                             "database: {url: a, host: '', dbname: '', username: '', password: ''}",
	"database.host":                            "database: {host: a}",
	"database.port":                            "database: {port: 1}",
	"database.dbname":                          "database: {dbname: a}",
	"database.username":                        "database: {username: a}",
	"database.password":                        "database: {password: a}",
	"database.passwordCommand":                 "database: {password: '', passwordCommand: [a]}",
	"database.passwordFile":                    "database: {password: '', passwordFile: /a}",
	"database.urlFile":                         "database: {urlFile: /a, host: '', dbname: '', username: '', password: ''}",
	"database.role":                            "database: {role: a}",
	"database.sslMode":                         "database: {sslMode: require}",
	"database.partOfRelease":                   "database: {partOfRelease: true}",
	"database.ca.secretName":                   "database: {ca: {secretName: a, configMapName: ''}}",
	"database.ca.configMapName":                "database: {ca: {configMapName: a}}",
	"database.ca.key":                          "database: {ca: {key: a}}",
	"database.existingSecret":                  "database: {existingSecret: b}",
	"database.secretKeys.url":                  "database: {host: '', dbname: '', username: '', password: '', secretKeys: {username: '', url: b}}",
	"database.secretKeys.host":                 "database: {host: '', secretKeys: {host: b}}",
	"database.secretKeys.port":                 "database: {secretKeys: {port: b}}",
	"database.secretKeys.dbname":               "database: {dbname: '', secretKeys: {dbname: b}}",
	"database.secretKeys.username":             "database: {secretKeys: {username: b}}",
	"database.secretKeys.password":             "database: {password: '', secretKeys: {password: b}}",
	"migrations.path":                          "migrations: {path: /a}",
	"migrations.existingConfigMap":             "migrations: {existingConfigMap: a, image: {repository: ''}}",
	"migrations.image.registry":                "migrations: {image: {registry: a}}",
	"migrations.image.repository":              "migrations: {image: {repository: a}}",
	"migrations.image.tag":                     "migrations: {image: {tag: a}}",
	"migrations.image.digest":                  "migrations: {image: {digest: 'sha256:" + digest + "'}}",
	"migrations.image.pullPolicy":              "migrations: {image: {pullPolicy: Never}}",
	"migrations.image.subPath":                 "migrations: {image: {subPath: a}}",
	"rollback.policy":                          "rollback: {policy: keep, allowDataLoss: false}",
	"rollback.when":                            "rollback: {when: pre-rollback}",
	"rollback.allowDataLoss":                   "rollback: {allowDataLoss: false}",
	"tool.image.registry":                      "tool: {image: {registry: a}}",
	"tool.image.repository":                    "tool: {image: {repository: a}}",
	"tool.image.tag":                           "tool: {image: {tag: a}}",
	"tool.image.digest":                        "tool: {image: {digest: 'sha256:" + digest + "'}}",
	"tool.image.pullPolicy":                    "tool: {image: {pullPolicy: Never}}",
	"tool.runAsUser":                           "tool: {runAsUser: 1000}",
	"tool.command":                             "tool: {command: [a]}",
	"tool.args":                                "tool: {args: [a]}",
	"tool.onStaleLock":                         "tool: {onStaleLock: release}",
	"tool.env":                                 "tool: {env: [{name: A, value: b}]}",
	"migrationsTable":                          "migrationsTable: a",
	"txMode":                                   "txMode: all",
	"onNewer":                                  "onNewer: fail",
	"waitForDatabase":                          "waitForDatabase: 1s",
	"lockWait":                                 "lockWait: 1m1s",
	"lockTimeout":                              "lockTimeout: 2s",
	"unrecognizedFiles":                        "unrecognizedFiles: ignore",
	"outOfOrder":                               "outOfOrder: apply",
	"onEdited":                                 "onEdited: allow",
	"requireDown":                              "requireDown: true",
	"timeout":                                  "timeout: 239",
	"activeDeadlineSeconds":                    "activeDeadlineSeconds: 300",
	"backoffLimit":                             "backoffLimit: 0",
	"ttlSecondsAfterFinished":                  "mode: job\nttlSecondsAfterFinished: 5",
	"terminationGracePeriodSeconds":            "terminationGracePeriodSeconds: 5",
	"logFormat":                                "logFormat: json",
	"logLevel":                                 "logLevel: debug",
	"progress":                                 "progress: none",
	"notify.success":                           "notify: {success: true}",
	"notify.timeout":                           "notify: {timeout: 3s}",
	"notify.webhook.url":                       "notify: {webhook: {url: http://a}}",
	"notify.webhook.token":                     "notify: {webhook: {token: a}}",
	"notify.webhook.urlFile":                   "notify: {webhook: {url: '', urlFile: /a}}",
	"notify.webhook.existingSecret.name":       "notify: {webhook: {url: '', existingSecret: {name: a, keys: {url: b}}}}",
	"notify.webhook.existingSecret.keys.url":   "notify: {webhook: {url: '', existingSecret: {name: a, keys: {url: b}}}}",
	"notify.webhook.existingSecret.keys.token": "notify: {webhook: {existingSecret: {name: a, keys: {token: b}}}}",
	"notify.webhook.format":                    "notify: {webhook: {format: slack}}",
	"notify.webhook.template":                  "notify: {webhook: {format: template, template: a}}",
	"notify.pushgateway.url":                   "notify: {pushgateway: {url: http://a, existingSecret: {name: ''}}}",
	"notify.pushgateway.existingSecret.name":   "notify: {pushgateway: {existingSecret: {name: a}}}",
	"notify.pushgateway.existingSecret.key":    "notify: {pushgateway: {existingSecret: {key: a}}}",
	"kubernetesEvents.enabled":                 "kubernetesEvents: {enabled: false}",
	"prometheusRule.enabled":                   "prometheusRule: {enabled: false}",
	"prometheusRule.severity":                  "prometheusRule: {severity: a}",
	"prometheusRule.labels":                    "prometheusRule: {labels: {a: b}}",
	"prometheusRule.alertLabels":               "prometheusRule: {alertLabels: {a: b}}",
	"prometheusRule.alertAnnotations":          "prometheusRule: {alertAnnotations: {a: b}}",
	"networkPolicy.enabled":                    "networkPolicy: {enabled: false}",
	"networkPolicy.database.to":                "networkPolicy: {database: {to: [{podSelector: {}}]}}",
	"networkPolicy.database.ports":             "networkPolicy: {database: {ports: [1]}}",
	"networkPolicy.dns.to":                     "networkPolicy: {dns: {to: [{podSelector: {}}]}}",
	"networkPolicy.dns.ports":                  "networkPolicy: {dns: {ports: [5353]}}",
	"networkPolicy.apiServer.to":               "networkPolicy: {apiServer: {to: [{podSelector: {}}]}}",
	"networkPolicy.apiServer.ports":            "networkPolicy: {apiServer: {ports: [1]}}",
	"networkPolicy.webhook.to":                 "networkPolicy: {webhook: {to: [{podSelector: {}}]}}",
	"networkPolicy.webhook.ports":              "networkPolicy: {webhook: {ports: [1]}}",
	"networkPolicy.pushgateway.to":             "networkPolicy: {pushgateway: {to: [{podSelector: {}}]}}",
	"networkPolicy.pushgateway.ports":          "networkPolicy: {pushgateway: {ports: [1]}}",
	"networkPolicy.extraEgress":                "networkPolicy: {extraEgress: [{to: [{podSelector: {}}]}]}",
	"extraArgs":                                "extraArgs: [-v]",
	"extraEnv":                                 "extraEnv: [{name: A, value: b}]",
	"extraEnvFrom":                             "extraEnvFrom: [{configMapRef: {name: a}}]",
	"extraVolumes":                             "extraVolumes: [{name: a, emptyDir: {}}]",
	"extraVolumeMounts":                        "extraVolumeMounts: [{name: a, mountPath: /a}]",
	"resources.requests.cpu":                   "resources: {requests: {cpu: 1}}",
	"resources.requests.memory":                "resources: {requests: {memory: 1Gi}}",
	"resources.limits.memory":                  "resources: {limits: {memory: 1Gi}}",
	"serviceAccount.name":                      "serviceAccount: {name: a}",
	"serviceAccount.automount":                 "serviceAccount: {automount: true}",
	"podSecurityContext.runAsNonRoot":          "podSecurityContext: {runAsNonRoot: false}",
	"podSecurityContext.seccompProfile.type":   "podSecurityContext: {seccompProfile: {type: Unconfined}}",
	"securityContext.allowPrivilegeEscalation": "securityContext: {allowPrivilegeEscalation: true}",
	"securityContext.readOnlyRootFilesystem":   "securityContext: {readOnlyRootFilesystem: false}",
	"securityContext.capabilities.drop":        "securityContext: {capabilities: {drop: []}}",
	"sidecarInjection":                         "sidecarInjection: true",
	"nativeSidecar":                            "nativeSidecar: false",
	"sidecarShutdownURL":                       "sidecarShutdownURL: http://localhost:15020/quitquitquit",
	"commonLabels":                             "commonLabels: {a: b}",
	"commonAnnotations":                        "commonAnnotations: {a: b}",
	"hookOutputLogPolicy":                      "hookOutputLogPolicy: none",
	"podLabels":                                "podLabels: {a: b}",
	"podAnnotations":                           "podAnnotations: {a: b}",
	"nodeSelector":                             "nodeSelector: {a: b}",
	"tolerations":                              "tolerations: [{operator: Exists}]",
	"affinity":                                 "affinity: {podAffinity: {}}",
	"priorityClassName":                        "priorityClassName: a",
}

const digest = "0f3dd3e0b9bfbb41a3e3f9a9d6ac6b1f1a2a1f3a5d7c9e0b2d4f6a8c0e1b3d5f"

// base are values in which most changes have an effect: individual database settings with a CA bundle, and migrations from an image.
const base = `
database: {host: base, dbname: base, username: base, password: base, ca: {configMapName: base}}
migrations: {image: {repository: base, tag: base}}
`

// baseSecret are the values for changes of an existing Secret.
const baseSecret = `
image: {repository: base, tag: base}
database: {host: base, dbname: base, username: '', password: base, existingSecret: base, secretKeys: {username: base}}
`

// baseExternalTool are the values for changes of an external tool.
const baseExternalTool = `
database: {host: base, dbname: base, username: base, password: base}
tool: {image: {repository: base, tag: base}, command: [base]}
`

// baseNotifications are the values for changes of notifications and of the NetworkPolicy.
const baseNotifications = `
database: {host: base, dbname: base, username: base, password: base}
notify: {webhook: {url: 'https://base'}, pushgateway: {existingSecret: {name: base}}}
kubernetesEvents: {enabled: true}
prometheusRule: {enabled: true}
networkPolicy: {enabled: true}
`
