"""Run with apache-otava 0.8.0: candidate splits and change points of short series."""
import json, numpy as np, otava
from otava.change_point_divisive.calculator import PairDistanceCalculator
from otava.analysis import compute_change_points, compute_change_points_orig
LEAST = 5
rng = np.random.default_rng(20)
def noise(n, s): return rng.normal(0, s, n)
shapes = {
 "noise": noise(40, .02),
 "step up": noise(40, .02) + np.where(np.arange(40) >= 23, .10, 0),
 "step down": noise(50, .02) - np.where(np.arange(50) >= 12, .08, 0),
 "up and back": noise(60, .015) + np.where((np.arange(60) >= 20) & (np.arange(60) < 35), .10, 0),
 "two steps": noise(60, .015) + .08 * (np.arange(60) >= 20) + .08 * (np.arange(60) >= 42),
 "late": noise(45, .02) + np.where(np.arange(45) >= 39, .12, 0),
}
rows = []
for name, logs in shapes.items():
    values = [round(float(v), 6) for v in np.exp(logs)]
    calc = PairDistanceCalculator(np.log(np.array(values)))
    q = calc._get_Q_vals(0, len(values))
    n = len(values)
    tau = np.arange(1, n)[:, None]; kappa = np.arange(2, n + 1)[None, :]
    q = np.where((tau >= LEAST) & (kappa - tau >= LEAST), q, -np.inf)
    i, _ = np.unravel_index(np.argmax(q), q.shape)
    points, _ = compute_change_points(list(values), window_len=50, max_pvalue=0.001, min_magnitude=0.0)
    rows.append({"name": name, "values": values, "split": int(i) + 1, "q": float(q.max()),
                 "change_points": [int(p.index) for p in points], "original": [int(p.index) for p in compute_change_points_orig(list(values), max_pvalue=0.01, seed=1)[0]]})
print(json.dumps(rows))
