export { firstPoints } from "./presets";
