package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func nodeUID(t *testing.T, client kubernetes.Interface) types.UID {
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, nodes.Items, 1)
	return nodes.Items[0].UID
}

func newClient(t *testing.T, c *Cluster) kubernetes.Interface {
	t.Helper()
	rest, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(rest)
	require.NoError(t, err)
	return client
}

// A namespace is a test's namespace, with the restricted level enforced. It is deleted with the test.
type namespace struct {
	t      *testing.T
	client kubernetes.Interface
	name   string
}

func newNamespace(t *testing.T, client kubernetes.Interface) namespace {
	t.Helper()
	t.Parallel()
	created, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "cluster-test-",
		Labels:       map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	n := namespace{t, client, created.Name}
	t.Cleanup(func() {
		// t.Context has ended by now
		_ = client.CoreV1().Namespaces().Delete(context.WithoutCancel(t.Context()), n.name, metav1.DeleteOptions{})
	})
	// a pod is rejected until its service account exists
	n.until("the service account is there", func() bool {
		_, err := client.CoreV1().ServiceAccounts(n.name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
	return n
}

// waitTimeout is long because a busy machine can stall for half a minute.
const waitTimeout = 3 * time.Minute

func (n namespace) until(what string, condition func() bool) {
	n.t.Helper()
	require.Eventually(n.t, condition, waitTimeout, 100*time.Millisecond, what)
}

func (n namespace) create(p *corev1.Pod) {
	n.t.Helper()
	_, err := n.client.CoreV1().Pods(n.name).Create(n.t.Context(), p, metav1.CreateOptions{})
	require.NoError(n.t, err)
}

func (n namespace) finished(name string) *corev1.Pod {
	n.t.Helper()
	var p *corev1.Pod
	n.until("pod "+name+" ends", func() bool {
		var err error
		p, err = n.client.CoreV1().Pods(n.name).Get(n.t.Context(), name, metav1.GetOptions{})
		return err == nil && (p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed)
	})
	return p
}

func (n namespace) ready(name string) bool {
	p, err := n.client.CoreV1().Pods(n.name).Get(n.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return false
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (n namespace) log(name string) string {
	n.t.Helper()
	text, err := n.client.CoreV1().Pods(n.name).GetLogs(name, &corev1.PodLogOptions{}).DoRaw(n.t.Context())
	require.NoError(n.t, err)
	return string(text)
}

// serve creates a service for the pod of the same name.
func (n namespace) serve(name string, port int32) {
	n.t.Helper()
	_, err := n.client.CoreV1().Services(n.name).Create(n.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: port}}},
	}, metav1.CreateOptions{})
	require.NoError(n.t, err)
}

// pod runs the probe with all settings that the restricted level requires.
func pod(args ...string) *corev1.Pod {
	return restricted("probe", probeImage, 65532, args)
}

func restricted(name, image string, user int64, args []string) *corev1.Pod {
	yes, no, now := true, false, int64(5)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: &now,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, FSGroup: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: name, Image: image, Args: args, ImagePullPolicy: corev1.PullNever,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no,
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

func postgresPod(image string) *corev1.Pod {
	const data = "/var/lib/postgresql/data"
	p := restricted("postgres", image, 999, []string{"-c", "fsync=off"})
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	container := &p.Spec.Containers[0]
	container.Env = []corev1.EnvVar{{Name: "POSTGRES_PASSWORD", Value: "p@ss w/rd"}, {Name: "PGDATA", Value: data + "/pgdata"}}
	container.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: data}}
	container.ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
		Exec: &corev1.ExecAction{Command: []string{"pg_isready", "--host=127.0.0.1"}}}}
	return p
}

// failingJob returns a Job whose exit code ends it without its seven attempts.
func failingJob() *batchv1.Job {
	backoff := int32(6)
	p := pod("exit", "6")
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: batchv1.JobSpec{
		BackoffLimit: &backoff,
		Template:     corev1.PodTemplateSpec{Spec: p.Spec},
		PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
			Action: batchv1.PodFailurePolicyActionFailJob,
			OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{6}}}}},
	}}
}

func jobReason(job *batchv1.Job) string {
	for _, condition := range job.Status.Conditions {
		if condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
			return strings.TrimSpace(condition.Reason)
		}
	}
	return ""
}
