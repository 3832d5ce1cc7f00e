/**
 * Preact and HTM. Browsers get the package's own file in the place of this one (`dashboard/mod.ts`).
 *
 * @module
 */

export { html, render, useEffect, useMemo, useRef, useState } from "npm:htm@^3.1.1/preact/standalone";
