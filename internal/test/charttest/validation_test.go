package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every message contains the invalid value and the solution.
func TestValidation_InvalidValues_AreRefused(t *testing.T) {
	t.Parallel()
	parts := "{host: db, dbname: booking, username: owner"
	for name, tc := range map[string]struct{ values, want, kube string }{
		"no database":                           {values: "{}", want: "no database is configured: set database.url, or database.host, dbname, username and password, or database.existingSecret and database.secretKeys"},
		"URL and settings":                      {values: "database: {url: 'postgres://db/x', host: db, username: u}", want: "the database is configured twice, by a URL (database.url, urlFile or the URL key of a Secret) and by individual settings (host, username): keep one of the two"},
		"URL and Secret's URL":                  {values: "database: {url: 'postgres://db/x', existingSecret: {name: s, keys: {url: u}}}", want: "database.url and database.existingSecret.keys.url are both set: remove one of them"},
		"URL of a Secret, and settings":         {values: "database: {password: p, existingSecret: {name: s, keys: {url: u}}}", want: "and by individual settings (password)"},
		"setting twice":                         {values: "database: " + parts + ", password: a, existingSecret: {name: s, keys: {password: p}}}", want: "database.password and database.existingSecret.keys.password are both set: remove one of them"},
		"Secret without a key":                  {values: "database: {existingSecret: {name: s}}", want: "database.existingSecret.name is set, but none of its keys: set database.secretKeys.url to the key that contains a connection URL, or host, port, dbname, username and password"},
		"key without a Secret":                  {values: "database: " + parts + ", existingSecret: {keys: {password: p}}}", want: "database.existingSecret.keys.password is set, but no Secret: set database.existingSecret.name to the name of the Secret"},
		"host missing":                          {values: "database: {dbname: booking, username: owner}", want: "incomplete database settings: set database.host, or, for an existing Secret, database.secretKeys.host"},
		"two settings missing":                  {values: "database: {host: db}", want: "set database.dbname and database.username, or, for an existing Secret, database.secretKeys.dbname and database.secretKeys.username"},
		"name missing in env":                   {values: "extraEnv: [{name: PGHOST, value: db}, {name: PGUSER, value: u}]", want: "set database.dbname, or"},
		"Secret with the chart's name":          {values: "database: " + parts + ", password: p, ca: {secretName: '{{ .Release.Name }}-shiplock'}}", want: `database.ca.secretName is "booking-shiplock", which is also the name of the Secret that the chart creates`},
		"two CA bundles":                        {values: "database: {url: x, ca: {secretName: a, configMapName: b}}", want: "database.ca.secretName and database.ca.configMapName are both set"},
		"number as password":                    {values: "database: " + parts + ", password: 123}", want: "database.password must be a string, but is a number: quote it, or use --set-string instead of --set"},
		"zero as password":                      {values: "database: " + parts + ", password: 0}", want: "database.password must be a string"},
		"boolean as password":                   {values: "database: " + parts + ", password: no}", want: "must be a string, but is a boolean"},
		"list as password":                      {values: "database: " + parts + ", password: [a]}", want: "must be a string, but is a list"},
		"number as user":                        {values: "database: {host: db, dbname: booking, username: 7}", want: "database.username must be a string"},
		"number as name":                        {values: "database: {host: db, dbname: 2024, username: owner}", want: "database.dbname must be a string"},
		"two sources":                           {values: withURL + "migrations: {existingConfigMap: a, image: {repository: b, tag: c}}", want: "more than one source of migrations: migrations.existingConfigMap and migrations.image.repository are set"},
		"fromChart, standalone":                 {values: withURL + "migrations: {fromChart: true}", want: "for a standalone release, set migrations.existingConfigMap"},
		"image volume too early":                {values: withURL + "migrations: {image: {repository: a, tag: b}}", kube: "v1.32.9", want: "migrations.image requires image volumes, which Kubernetes supports since 1.33, and this cluster runs v1.32.9"},
		"image without a tag":                   {values: withURL + "migrations: {image: {repository: a}}", want: "migrations.image.repository is set, but neither migrations.image.tag nor migrations.image.digest"},
		"tag in the repository":                 {values: withURL + "image: {repository: 'registry:5000/a:v1'}", want: `image.repository is "registry:5000/a:v1": set the tag in image.tag and the digest in image.digest`},
		"digest in repository":                  {values: withURL + "image: {repository: a@sha256}", want: "set the tag in image.tag"},
		"timeout at deadline":                   {values: withURL + "timeout: 270s", want: "timeout (270s) must be below activeDeadlineSeconds (270)"},
		"timeout above deadline":                {values: withURL + "timeout: 1h30m", want: "timeout (1h30m) must be below activeDeadlineSeconds (270)"},
		"no timeout":                            {values: withURL + "timeout: 0", want: "timeout must be above 0"},
		"wait above timeout":                    {values: withURL + "waitForDatabase: 5m", want: "waitForDatabase (5m) must not be above timeout (240s)"},
		"lock above timeout":                    {values: withURL + "lockWait: 241", want: "lockWait (241) must not be above timeout (240s)"},
		"variable twice":                        {values: withURL + "extraEnv: [{name: SHIPLOCK_TIMEOUT, value: 5m}]", want: "extraEnv or tool.env sets SHIPLOCK_TIMEOUT, which the chart sets from other values"},
		"database by env too":                   {values: withURL + "extraEnv: [{name: DATABASE_URL, value: x}]", want: "extraEnv or tool.env sets DATABASE_URL"},
		"hook annotation":                       {values: withURL + "commonAnnotations: {helm.sh/hook: post-install}", want: `commonAnnotations must not contain "helm.sh/hook"`},
		"Argo CD hook annotation":               {values: withURL + "commonAnnotations: {argocd.argoproj.io/hook-delete-policy: HookSucceeded}", want: `commonAnnotations must not contain "argocd.argoproj.io/hook-delete-policy": the chart sets hook annotations according to mode`},
		"initContainer, standalone":             {values: withURL + "mode: initContainer", want: "mode: initContainer requires a parent chart that includes shiplock.initContainer"},
		"password and command":                  {values: "database: " + parts + ", password: p, passwordCommand: [c]}", want: "the password is set by database.password and by database.passwordCommand: keep one of them"},
		"password of Secret and file":           {values: "database: " + parts + ", passwordFile: /p, existingSecret: {name: s, keys: {password: p}}}", want: "the password is set by database.existingSecret.keys.password and by database.passwordFile"},
		"URL and URL's file":                    {values: "database: {url: x, urlFile: /u}", want: "the database URL is set twice, by database.urlFile and by database.url"},
		"URL file and settings":                 {values: "database: {urlFile: /u, host: db}", want: "the database is configured twice, by a URL (database.url, urlFile"},
		"webhook's URL twice":                   {values: withURL + "notify: {webhook: {url: 'https://a', existingSecret: {name: s, keys: {url: u}}}}", want: "notify.webhook.url and notify.webhook.existingSecret.keys.url are both set"},
		"webhook's token twice":                 {values: withURL + "notify: {webhook: {url: 'https://a', token: t, existingSecret: {name: s, keys: {token: u}}}}", want: "notify.webhook.token and notify.webhook.existingSecret.keys.token are both set"},
		"webhook's URL and file":                {values: withURL + "notify: {webhook: {url: 'https://a', urlFile: /u}}", want: "the webhook URL is set twice"},
		"webhook's Secret alone":                {values: withURL + "notify: {webhook: {existingSecret: {name: s}}}", want: "notify.webhook.existingSecret.name is set, but none of its keys"},
		"webhook's key alone":                   {values: withURL + "notify: {webhook: {existingSecret: {keys: {url: u}}}}", want: "set notify.webhook.existingSecret.name"},
		"format, no webhook":                    {values: withURL + "notify: {webhook: {format: slack}}", want: "notify.webhook has no URL"},
		"token, no webhook":                     {values: withURL + "notify: {webhook: {existingSecret: {name: s, keys: {token: t}}}}", want: "notify.webhook has no URL"},
		"format, no template":                   {values: withURL + "notify: {webhook: {url: 'https://a', format: template}}", want: "require each other"},
		"template, other format":                {values: withURL + "notify: {webhook: {url: 'https://a', format: slack, template: x}}", want: "require each other"},
		"Pushgateway twice":                     {values: withURL + "notify: {pushgateway: {url: 'http://a', existingSecret: {name: s}}}", want: "notify.pushgateway.url and notify.pushgateway.existingSecret.name are both set"},
		"webhook Secret with the chart's name":  {values: withURL + "notify: {webhook: {existingSecret: {name: booking-shiplock, keys: {url: u}}}}", want: `notify.webhook.existingSecret.name is "booking-shiplock", which is also the name of the Secret that the chart creates`},
		"no time for notifications":             {values: withURL + "kubernetesEvents: {enabled: true}\ntimeout: 265s", want: "notify.timeout (10s) must fit between timeout (265s) and activeDeadlineSeconds (270)"},
		"tool without a command":                {values: withURL + "tool: {image: {repository: a, tag: b}}", want: "tool.image.repository is set, but no command: set tool.command"},
		"tool without a tag":                    {values: withURL + "tool: {image: {repository: a}, command: [c]}", want: "tool.image.repository is set, but neither tool.image.tag nor tool.image.digest"},
		"command without a tool":                {values: withURL + "tool: {command: [c]}", want: "require tool.image.repository: set it"},
		"tool with a policy":                    {values: withURL + "tool: {image: {repository: a, tag: b}, command: [c]}\ntxMode: all", want: "txMode does not apply to the external tool in tool.image.repository"},
		"tool with migrations":                  {values: withURL + "tool: {image: {repository: a, tag: b}, command: [c]}\nmigrations: {existingConfigMap: m}", want: "migrations does not apply to the external tool in tool.image.repository"},
		"tool's variable":                       {values: withURL + "tool: {image: {repository: a, tag: b}, command: [c], env: [{name: DATABASE_URL, value: x}]}", want: "extraEnv or tool.env sets DATABASE_URL"},
		"down, and newer fails":                 {values: withURL + "rollback: {policy: down}\nonNewer: fail", want: "rollback.policy: down and onNewer: fail are mutually exclusive"},
		"down, and an argument":                 {values: withURL + "rollback: {policy: down}\nextraArgs: [-v, --on-newer=allow]", want: "extraArgs contains --on-newer, which overrides rollback.policy: down"},
		"down, and a variable":                  {values: withURL + "rollback: {policy: down}\nextraEnv: [{name: SHIPLOCK_ON_NEWER, value: allow}]", want: "sets SHIPLOCK_ON_NEWER"},
		"loss, and a variable":                  {values: withURL + "rollback: {policy: down, allowDataLoss: true}\nextraEnv: [{name: SHIPLOCK_ALLOW_DATA_LOSS, value: 'true'}]", want: "sets SHIPLOCK_ALLOW_DATA_LOSS"},
		"pre-rollback, mode job":                {values: withURL + "rollback: {policy: down, when: pre-rollback}\nmode: job", want: "with mode: job the migrator depends on them: set rollback.when=post-rollback"},
		"pre-rollback, database of the release": {values: "image: " + ownImage + "\ndatabase: {url: x, partOfRelease: true}\nrollback: {policy: down, when: pre-rollback}", want: "with database.partOfRelease the migrator depends on them"},
		"data loss without down":                {values: withURL + "rollback: {allowDataLoss: true}", want: "rollback.allowDataLoss has no effect with rollback.policy: keep"},
		"down with a tool":                      {values: withURL + "rollback: {policy: down}\ntool: {image: {repository: a, tag: b}, command: [c]}", want: "rollback.policy: down does not apply to the external tool"},
		"output log policy":                     {values: withURL + "commonAnnotations: {helm.sh/hook-output-log-policy: hook-failed}", want: `commonAnnotations must not contain "helm.sh/hook-output-log-policy": set hookOutputLogPolicy instead`},
		"image without migrations":              {values: "database: {url: x}", want: "no migrations configured: image shiplock/migrator:0.1.0 contains only the migrator"},
		"and with the default tag":              {values: "database: {url: x}\nimage: {registry: r, tag: 0.1.0}", want: "no migrations configured"},
		"and from a mirror":                     {values: "database: {url: x}\nimage: {repository: mirror/shiplock/migrator}\nmode: job", want: "no migrations configured"},
		"and a mount elsewhere":                 {values: "database: {url: x}\nextraVolumeMounts: [{name: a, mountPath: /migrations-of-another}]", want: "no migrations configured"},
		"own image without a tag":               {values: "database: {url: x}\nimage: {repository: shop/migrations}", want: "image.repository is set, but neither image.tag nor image.digest"},
		"own image, migrations a volume":        {values: "database: {url: x}\nimage: {repository: shop/migrator}\nmigrations: {existingConfigMap: m}", want: "image.repository is set, but neither image.tag nor image.digest"},
		"Kubernetes too old":                    {values: withURL, kube: "v1.25.0", want: "chart requires kubeVersion: >=1.26.0-0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Render(chartDir, Options{Values: parse(t, tc.values), KubeVersion: tc.kube})
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// Messages of the schema contain the path of the value.
func TestSchema_InvalidValues_AreRefused(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"databse: {}":                           "additional properties 'databse' not allowed",
		"database: {passwd: x}":                 "at '/database': additional properties 'passwd' not allowed",
		"database: {existingSecret: {key: x}}":  "at '/database/existingSecret': additional properties 'key' not allowed",
		"database: {existingSecret: [booking]}": "at '/database/existingSecret': got array, want null or string or object",
		"database: {url: 5}":                    "at '/database/url': got number, want string",
		"database: {port: postgres}":            "at '/database/port': 'postgres' does not match pattern",
		"database: {port: 70000}":               "at '/database/port': maximum: got 70,000, want 65,535",
		"database: {sslMode: on}":               "at '/database/sslMode': value must be one of '', 'disable'",
		"image: {tag: true}":                    "at '/image/tag': got boolean, want number or string",
		"image: {digest: latest}":               "at '/image/digest': 'latest' does not match pattern",
		"image: {pullPolicy: Sometimes}":        "at '/image/pullPolicy': value must be one of 'Always'",
		"imagePullSecrets: registry":            "at '/imagePullSecrets': got string, want array",
		"migrations: {path: migrations}":        "at '/migrations/path': 'migrations' does not match pattern",
		"migrations: {image: {subPath: /db}}":   "at '/migrations/image/subPath': '/db' does not match pattern",
		"timeout: 4 minutes":                    "at '/timeout': '4 minutes' does not match pattern",
		"timeout: 4.5":                          "at '/timeout': got number, want integer or string",
		"ttlSecondsAfterFinished: 1h":           "got string, want null or integer",
		"tool: {runAsUser: '1000'}":             "got string, want null or integer",
		"tool: {runAsUser: 0}":                  "minimum: got 0, want 1",
		"activeDeadlineSeconds: 5m":             "at '/activeDeadlineSeconds': got string, want integer",
		"backoffLimit: -1":                      "at '/backoffLimit': minimum: got -1, want 0",
		"hookOutputLogPolicy: always":           "at '/hookOutputLogPolicy': value must be one of 'auto', 'none', 'hook-failed'",
		"mode: cron":                            "at '/mode': value must be one of 'hook', 'job', 'argocd', 'initContainer'",
		"progress: loud":                        "at '/progress': value must be one of '', 'auto', 'bar', 'log', 'none'",
		"database: {passwordCommand: a b}":      "at '/database/passwordCommand': got string, want array",
		"database: {passwordFile: secret}":      "at '/database/passwordFile': 'secret' does not match pattern",
		"notify: {webhook: {url: hooks}}":       "at '/notify/webhook/url': 'hooks' does not match pattern",
		"notify: {webhook: {format: teams}}":    "at '/notify/webhook/format': value must be one of '', 'json', 'slack', 'template'",
		"notify: {slack: {}}":                   "at '/notify': additional properties 'slack' not allowed",
		"notify: {timeout: soon}":               "at '/notify/timeout'",
		"kubernetesEvents: true":                "at '/kubernetesEvents': got boolean, want object",
		"networkPolicy: {database: {to: db}}":   "at '/networkPolicy/database/to': got string, want array",
		"networkPolicy: {dns: {ports: [dns]}}":  "at '/networkPolicy/dns/ports/0': got string, want integer",
		"onNewer: ignore":                       "at '/onNewer': value must be one of '', 'allow', 'fail'",
		"rollback: {policy: revert}":            "at '/rollback/policy': value must be one of 'keep', 'down'",
		"rollback: {when: after}":               "at '/rollback/when': value must be one of 'post-rollback', 'pre-rollback'",
		"rollback: {allowDataLoss: 'yes'}":      "at '/rollback/allowDataLoss': got string, want boolean",
		"rollback: down":                        "at '/rollback': got string, want object",
		"logLevel: trace":                       "at '/logLevel': value must be one of",
		"extraEnv: {A: b}":                      "at '/extraEnv': got object, want array",
		"extraEnv: [{name: A, value: 1}]":       "at '/extraEnv/0/value': got number, want string",
		"commonLabels: {tier: 1}":               "at '/commonLabels/tier': got number, want string",
		"enabled: 'false'":                      "at '/enabled': got string, want boolean",
		"fullnameOverride: Booking":             "at '/fullnameOverride': 'Booking' does not match pattern",
		"nameOverride: a-name-that-is-longer-than-fifty-two-characters-in-all": "at '/nameOverride'",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			_, err := Render(chartDir, Options{Values: parse(t, values)})
			require.ErrorContains(t, err, want)
		})
	}
}
